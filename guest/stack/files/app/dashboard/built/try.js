// A project's sign-in, as its users see it: a code comes by e-mail, and who is new gets an account.

import * as api from './api.js';
import { busy, el, field, notify, picture } from './dom.js';

export async function tryPage() {
  const query = new URLSearchParams(location.search);
  const app = api.appOf(query.get('project'), query.get('key'));
  const page = el('section', { class: 'card narrow' });
  const show = async () => page.replaceChildren(...(await (app.isSignedIn() ? account(app, show) : askForMail(app, show))));
  try {
    await show();
  } catch (error) {
    if (error.code !== 'TOKEN_INVALID') throw error;
    app.forgetSession();
    await show();
  }
  return page;
}

const heading = (text) => el('h1', { tabindex: '-1' }, text);

function askForMail(app, show) {
  const email = field('E-mail', { name: 'email', type: 'email', autocomplete: 'email', required: true, 'data-focus': true });
  const send = el('button', { class: 'primary', type: 'submit' }, 'Send me a code');
  const form = el('form', {}, email, send);
  form.addEventListener('submit', busy(send, async () => {
    const { nonce } = await app.sendCode(email.lastChild.value.trim());
    form.replaceWith(askForCode(app, nonce, show));
  }));
  return [heading('Sign in or sign up'), form];
}

function askForCode(app, nonce, show) {
  const code = field('Code', { name: 'code', inputmode: 'numeric', autocomplete: 'one-time-code', pattern: '\\d{6}', maxlength: '6', required: true });
  const submit = el('button', { class: 'primary', type: 'submit' }, 'Sign in');
  const signIn = busy(submit, async () => {
    code.lastChild.select(); // a wrong one is typed over
    const { is_new_user: isNew } = await app.signIn(nonce, code.lastChild.value.trim());
    await show();
    notify(isNew ? 'Welcome.' : 'Welcome back.');
  });
  return el('form', { onsubmit: signIn },
    el('p', { class: 'facts' }, 'The code is in ', el('a', { href: api.MAIL_URL, target: '_blank', rel: 'noopener' }, 'the mail'), ' of this emulator.'),
    code, submit);
}

async function account(app, show) {
  const user = await app.me();
  const file = field('Picture', { name: 'picture', type: 'file', accept: 'image/png,image/jpeg,image/webp', required: true });
  const upload = el('button', { class: 'primary', type: 'submit' }, 'Use this picture');
  const signOut = el('button', { type: 'button', class: 'quiet' }, 'Sign out');
  signOut.addEventListener('click', busy(signOut, async () => {
    await app.signOut();
    app.forgetSession();
    await show();
  }));
  const setPicture = busy(upload, async () => {
    await app.setPicture(await dataUrl(file.lastChild.files[0]));
    await show();
    notify('The picture is stored.');
  });
  return [heading('You are signed in'),
    el('p', {}, picture(user), el('span', { id: 'user' }, user.primary_email)),
    el('form', { onsubmit: setPicture }, file, upload),
    el('div', { class: 'hint' }, signOut)];
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(reader.result));
    reader.addEventListener('error', () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}
