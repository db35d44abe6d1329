// Calls to the backend. The three constants are filled in when the stack starts.

const API_URL = 'STACK_ENV_VAR_SENTINEL_NEXT_PUBLIC_STACK_API_URL';
const PROJECT_ID = 'STACK_ENV_VAR_SENTINEL_NEXT_PUBLIC_STACK_PROJECT_ID';
const PUBLISHABLE_CLIENT_KEY = 'STACK_ENV_VAR_SENTINEL_NEXT_PUBLIC_STACK_PUBLISHABLE_CLIENT_KEY';

const TOKEN = 'stack-access-token';

/** The backend answered with an error. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const isSignedIn = () => localStorage.getItem(TOKEN) !== null;
export const forgetSession = () => localStorage.removeItem(TOKEN);

async function call(method, path, body) {
  const headers = {
    'X-Stack-Project-Id': PROJECT_ID,
    'X-Stack-Access-Type': 'client',
    'X-Stack-Publishable-Client-Key': PUBLISHABLE_CLIENT_KEY,
  };
  if (isSignedIn()) headers['X-Stack-Access-Token'] = localStorage.getItem(TOKEN);
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
  localStorage.setItem(TOKEN, token);
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
