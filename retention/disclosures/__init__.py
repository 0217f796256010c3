"""What left the archive and told of patients: the book of it, and the account that a patient may ask for."""
