"""Single sign-on: an OpenID provider says who somebody is (OpenID Connect Core 1.0, code flow with PKCE).

`fetch` speaks HTTP, `provider` knows the provider's addresses and keys, `id_token` checks what it signed,
`flow` takes a browser there and back, `identities` knows which of our users an identity is.
"""
