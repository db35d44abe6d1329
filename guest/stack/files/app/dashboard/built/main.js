// Shows the page that the address names, and the account of who is signed in.

import * as api from './api.js';
import { busy, el, notify } from './dom.js';
import { projectsPage } from './projects.js';
import { signInPage } from './sign-in.js';
import { tryPage } from './try.js';

const PAGES = {
  '/handler/sign-in': { title: 'Sign in', make: signInPage },
  '/projects': { title: 'Projects', make: projectsPage, signedIn: true },
  '/try': { title: 'Try a project', make: tryPage, anybody: true },
};

/** Goes to a page of this site without loading it anew. */
async function go(path, { replace = false } = {}) {
  history[replace ? 'replaceState' : 'pushState'](null, '', path);
  await show();
}

async function show() {
  const page = PAGES[location.pathname] || PAGES['/projects'];
  if (page.signedIn && !api.isSignedIn()) return go('/handler/sign-in', { replace: true });
  if (!page.signedIn && !page.anybody && api.isSignedIn()) return go('/projects', { replace: true });
  try {
    const [view] = await Promise.all([page.make({ go }), showAccount()]);
    document.title = `${page.title} · Stack emulator`;
    document.getElementById('view').replaceChildren(view);
    (view.querySelector('[data-focus]') ?? view.querySelector('h1')).focus({ preventScroll: true });
  } catch (error) {
    if (error.code === 'TOKEN_INVALID') {
      api.forgetSession();
      return go('/handler/sign-in', { replace: true });
    }
    showProblem(error);
  }
}

function showProblem(error) {
  const again = el('button', { type: 'button', class: 'primary' }, 'Try again');
  again.addEventListener('click', busy(again, show));
  document.getElementById('view').replaceChildren(
    el('section', { class: 'card narrow', role: 'alert' }, el('h1', {}, 'That did not work'), el('p', {}, error.message), again));
}

async function showAccount() {
  const account = document.getElementById('account');
  if (!api.isSignedIn()) {
    account.replaceChildren();
    return;
  }
  const user = await api.me();
  const signOut = el('button', { type: 'button', class: 'quiet' }, 'Sign out');
  signOut.addEventListener('click', busy(signOut, async () => {
    await api.signOut();
    await go('/handler/sign-in');
    notify('Signed out.');
  }));
  account.replaceChildren(el('span', { class: 'facts' }, user.primary_email), signOut);
}

addEventListener('popstate', show);
document.querySelector('.brand').addEventListener('click', (event) => {
  event.preventDefault();
  go('/projects');
});
show();
