// Calls to the backend. The first constants are filled in when the stack starts.

const API_URL = 'STACK_ENV_VAR_SENTINEL_NEXT_PUBLIC_STACK_API_URL';
const PROJECT_ID = 'STACK_ENV_VAR_SENTINEL_NEXT_PUBLIC_STACK_PROJECT_ID';
const PUBLISHABLE_CLIENT_KEY = 'STACK_ENV_VAR_SENTINEL_NEXT_PUBLIC_STACK_PUBLISHABLE_CLIENT_KEY';

/** The page that shows the mail which the stack has sent. */
export const MAIL_URL = 'STACK_ENV_VAR_SENTINEL_NEXT_PUBLIC_STACK_INBUCKET_WEB_URL';

// The dashboard is an app of the project "internal". Its admin's session is apart from those of other apps' users.
const DASHBOARD = { project: PROJECT_ID, key: PUBLISHABLE_CLIENT_KEY, token: 'stack-access-token' };

/** The backend answered with an error. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const isSignedIn = () => localStorage.getItem(DASHBOARD.token) !== null;
export const forgetSession = () => localStorage.removeItem(DASHBOARD.token);

async function call(method, path, body, app = DASHBOARD) {
  const headers = {
    'X-Stack-Project-Id': app.project,
    'X-Stack-Access-Type': 'client',
    'X-Stack-Publishable-Client-Key': app.key,
  };
  const session = localStorage.getItem(app.token);
  if (session !== null) headers['X-Stack-Access-Token'] = session;
  if (body) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(`${API_URL}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new ApiError(0, 'UNREACHABLE', `The backend does not answer at ${API_URL}.`);
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer.code, answer.error || `The backend answered ${response.status}.`);
  return answer;
}

export async function signIn(email, password) {
  const { access_token: token } = await call('POST', '/auth/password/sign-in', { email, password });
  localStorage.setItem(DASHBOARD.token, token);
}

export async function signOut() {
  await call('DELETE', '/auth/sessions/current').catch(() => {}); // gone here in any case
  forgetSession();
}

export const me = () => call('GET', '/users/me');
export const projects = async () => (await call('GET', '/internal/projects')).items;
export const createProject = (name) => call('POST', '/internal/projects', { display_name: name });
export const keys = (id) => call('GET', `/internal/projects/${encodeURIComponent(id)}/keys`);
export const users = async (id) => (await call('GET', `/internal/projects/${encodeURIComponent(id)}/users`)).items;

/** What an app of another project does for its users, with nothing but the project's public key. */
export function appOf(project, key) {
  const app = { project, key, token: `stack-access-token-${project}` };
  return {
    isSignedIn: () => localStorage.getItem(app.token) !== null,
    forgetSession: () => localStorage.removeItem(app.token),
    sendCode: (email) => call('POST', '/auth/otp/send-sign-in-code', { email }, app),
    async signIn(nonce, code) {
      const answer = await call('POST', '/auth/otp/sign-in', { nonce, code }, app);
      localStorage.setItem(app.token, answer.access_token);
      return answer;
    },
    me: () => call('GET', '/users/me', undefined, app),
    setPicture: (dataUrl) => call('POST', '/users/me/profile-image', { profile_image: dataUrl }, app),
    signOut: () => call('DELETE', '/auth/sessions/current', undefined, app),
  };
}
