// The page that lists projects, makes new ones, and shows their keys and users when asked.

import * as api from './api.js';
import { busy, el, field, notify, picture } from './dom.js';

const KEY_NAMES = {
  publishable_client_key: 'Publishable client key',
  secret_server_key: 'Secret server key',
  super_secret_admin_key: 'Super secret admin key',
};

export async function projectsPage() {
  const list = el('ul', { class: 'projects', 'aria-label': 'Projects' });
  const show = (projects) => list.replaceChildren(...projects.map(projectCard));
  show(await api.projects());

  const name = field('New project', { name: 'name', maxlength: '100', required: true, placeholder: 'Name', autocomplete: 'off' });
  const create = el('button', { class: 'primary', type: 'submit' }, 'Create project');
  const submit = busy(create, async () => {
    const project = await api.createProject(name.lastChild.value);
    name.lastChild.value = '';
    show(await api.projects());
    notify(`Created ${project.display_name}.`);
  });

  return el('section', { class: 'wide' },
    el('h1', { tabindex: '-1' }, 'Projects'),
    el('form', { class: 'row', onsubmit: submit }, name, create),
    list);
}

function projectCard(project) {
  const title = el('h2', { id: `project-${project.id}` }, project.display_name);
  return el('li', { class: 'card', 'aria-labelledby': title.id },
    title,
    el('p', { class: 'facts' }, el('code', {}, project.id),
      ` · ${project.user_count} ${project.user_count === 1 ? 'user' : 'users'}`,
      ` · created ${new Date(project.created_at).toLocaleString()}`),
    project.config_file ? el('p', { class: 'facts' }, 'Config file ', el('code', {}, project.config_file)) : null,
    ...disclosure('keys', title.id, async () => keyList(await api.keys(project.id))),
    ...disclosure('users', title.id, async () => userList(await api.users(project.id))),
    tryButton(project));
}

/** A button that shows and hides what load() returns. What was shown is thrown away when hidden. */
function disclosure(what, describedBy, load) {
  const panel = el('div', { class: 'panel', id: `${describedBy}-${what}`, hidden: true });
  const button = el('button', { type: 'button', class: 'quiet', 'aria-expanded': 'false',
    'aria-controls': panel.id, 'aria-describedby': describedBy }, `Show ${what}`);
  button.addEventListener('click', busy(button, async () => {
    const opening = panel.hidden;
    panel.replaceChildren(...(opening ? [await load()] : []));
    panel.hidden = !opening;
    button.setAttribute('aria-expanded', String(opening));
    button.textContent = `${opening ? 'Hide' : 'Show'} ${what}`;
  }));
  return [button, panel];
}

/** Opens the project's own sign-in, as an app of it would have it. */
function tryButton(project) {
  const button = el('button', { type: 'button', class: 'quiet', 'data-try': true }, 'Try the sign-in');
  button.addEventListener('click', busy(button, async () => {
    const { publishable_client_key: key } = await api.keys(project.id);
    location.assign(`/try?${new URLSearchParams({ project: project.id, key })}`);
  }));
  return button;
}

function keyList(keys) {
  return el('dl', {}, Object.entries(KEY_NAMES).map(([name, label]) => {
    const copy = el('button', { type: 'button', class: 'quiet', 'aria-label': `Copy ${label.toLowerCase()}` }, 'Copy');
    copy.addEventListener('click', busy(copy, async () => {
      await navigator.clipboard.writeText(keys[name]);
      notify(`${label} copied.`);
    }));
    return [el('dt', {}, label), el('dd', {}, el('code', { class: 'key' }, keys[name]), copy)];
  }));
}

function userList(users) {
  if (users.length === 0) return el('p', { class: 'facts' }, 'Nobody has signed up yet.');
  return el('ul', { class: 'users' }, users.map((user) =>
    el('li', {}, picture(user), user.primary_email, el('span', { class: 'facts' }, ` since ${new Date(user.created_at).toLocaleString()}`))));
}
