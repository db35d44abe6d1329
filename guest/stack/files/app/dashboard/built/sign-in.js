// The page on which the emulator's admin signs in.

import * as api from './api.js';
import { busy, el, field } from './dom.js';

// Public, and the same in every emulator.
const ADMIN = { email: 'local-emulator@stack-auth.com', password: 'LocalEmulatorPassword' };

export function signInPage({ go }) {
  const email = field('E-mail', { name: 'email', type: 'email', autocomplete: 'username', required: true, 'data-focus': true });
  const password = field('Password', { name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  const problem = el('p', { role: 'alert', class: 'problem' });
  const submit = el('button', { class: 'primary', type: 'submit' }, 'Sign in');

  const signIn = busy(submit, async () => {
    problem.textContent = '';
    try {
      await api.signIn(email.lastChild.value.trim(), password.lastChild.value);
    } catch (error) {
      problem.textContent = error.message;
      password.lastChild.select();
      return;
    }
    await go('/projects');
  });
  const fill = () => {
    email.lastChild.value = ADMIN.email;
    password.lastChild.value = ADMIN.password;
    submit.focus();
  };

  return el('section', { class: 'card narrow' },
    el('h1', { tabindex: '-1' }, 'Sign in'),
    el('form', { onsubmit: signIn }, email, password, problem, submit),
    el('div', { class: 'hint' },
      el('p', {}, 'This is your local emulator. Its admin is the same on every machine:'),
      el('p', {}, el('code', {}, ADMIN.email), el('br'), el('code', {}, ADMIN.password)),
      el('button', { type: 'button', class: 'quiet', onclick: fill }, 'Fill in for me')));
}
