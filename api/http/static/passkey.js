// Passkeys at the desk: a form with `data-passkey` ("create" or "get") is sent by way of the authenticator.
//
// data-options  where the options come from (POST, JSON)
// data-answer   where the authenticator's answer goes (POST, JSON); without it, it goes into the form's field
//               `assertion`, and the form is sent as forms are
// data-again    the id of a form to send afterwards; data-then: an address to go to instead
//
// Nothing is kept in the browser, and nothing is shown but what the server says.
"use strict";

const bytesOf = (text) => {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (one) => one.charCodeAt(0));
};

const textOf = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const described = (list) => (list || []).map((one) => ({ ...one, id: bytesOf(one.id) }));

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

class Refused extends Error {}

async function post(address, value) {
  let answer;
  try {
    answer = await fetch(address, {
      method: "POST",
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(value),
    });
  } catch {
    throw new Refused("The archive can't be reached. Try again.");
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(said.detail ? sentence(said.detail) : "The archive refused.");
  return said;
}

async function create(options) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytesOf(options.challenge),
      user: { ...options.user, id: bytesOf(options.user.id) },
      excludeCredentials: described(options.excludeCredentials),
    },
  });
  return {
    id: made.id,
    rawId: textOf(made.rawId),
    type: made.type,
    response: {
      clientDataJSON: textOf(made.response.clientDataJSON),
      attestationObject: textOf(made.response.attestationObject),
      transports: made.response.getTransports ? made.response.getTransports() : [],
    },
  };
}

async function get(options) {
  const shown = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: bytesOf(options.challenge),
      allowCredentials: described(options.allowCredentials),
    },
  });
  const handle = shown.response.userHandle;
  return {
    id: shown.id,
    rawId: textOf(shown.rawId),
    type: shown.type,
    response: {
      clientDataJSON: textOf(shown.response.clientDataJSON),
      authenticatorData: textOf(shown.response.authenticatorData),
      signature: textOf(shown.response.signature),
      userHandle: handle && handle.byteLength ? textOf(handle) : null,
    },
  };
}

const WORDS = {
  NotAllowedError: "No passkey was shown in time, or it was cancelled. Try again.",
  InvalidStateError: "This device has a passkey for your account already.",
  SecurityError: "Passkeys don't work at this address; use the archive's own name.",
};

async function run(form) {
  const { passkey, options, answer, again, then } = form.dataset;
  const asked = await post(options, {});
  const given = await (passkey === "create" ? create : get)(asked);
  if (!answer) {
    form.elements.assertion.value = JSON.stringify(given);
    form.submit();
    return;
  }
  const label = form.elements.label ? { label: form.elements.label.value } : {};
  const done = await post(answer, { answer: given, ...label });
  if (again) document.getElementById(again).submit();
  else location.assign(then || done.then);
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const button = form.querySelector("button");
  const said = form.querySelector(".said");
  if (!window.PublicKeyCredential) {
    said.textContent = "This browser knows no passkeys, or this page was not reached by https.";
    continue;
  }
  button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    said.classList.remove("fault");
    said.textContent = "Waiting for your passkey …";
    try {
      await run(form);
    } catch (error) {
      said.classList.add("fault");
      said.textContent = error instanceof Refused ? error.message : WORDS[error.name] || "That did not work. Try again.";
      button.disabled = false;
    }
  });
}
