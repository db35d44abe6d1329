// Small helpers for building pages. Text is always set as text, never as HTML.

/** Makes an element: properties that begin with "on" are listeners, others are attributes (false leaves one out). */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null));
  return element;
}

/** Tells the user something, in words that a screen reader reads out. */
export function notify(text, isError = false) {
  const notice = document.getElementById('notice');
  notice.textContent = text;
  notice.className = isError ? 'shown error' : 'shown';
  clearTimeout(notify.timer);
  notify.timer = setTimeout(() => { notice.className = ''; notice.textContent = ''; }, isError ? 8000 : 3000);
}

/** Wraps a listener: the button is busy until it is done, and an error is shown to the user. */
export function busy(button, work) {
  return async (event) => {
    event?.preventDefault();
    if (button.getAttribute('aria-busy') === 'true') return;
    button.setAttribute('aria-busy', 'true');
    try {
      await work(event);
    } catch (error) {
      notify(error.message, true);
    } finally {
      button.removeAttribute('aria-busy');
    }
  };
}

/** Makes a labelled text field. */
export function field(label, properties) {
  return el('label', { class: 'field' }, el('span', {}, label), el('input', properties));
}

/** Shows a user's picture, or nothing where there is none. */
export function picture(user) {
  return user.profile_image_url ? el('img', { class: 'picture', src: user.profile_image_url, alt: `Picture of ${user.primary_email}` }) : '';
}
