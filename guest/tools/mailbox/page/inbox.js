// Shows new messages by themselves: the server tells when there are any, so nobody has to ask.

const list = document.getElementById('messages');

async function renew() {
  const answer = await fetch('/');
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  list.replaceChildren(...page.getElementById('messages').childNodes);
}

if (list) new EventSource('/events').addEventListener('changed', renew);
