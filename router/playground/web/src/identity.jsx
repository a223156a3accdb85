// Who the requests are sent as. A development router gives tokens; elsewhere a token goes into the headers editor.

const roles = [
  ['', 'nobody (anonymous)'],
  ['customer', 'a customer'],
  ['support', 'support'],
  ['supervisor', 'a supervisor'],
  ['admin', 'an administrator'],
];

const storageKey = 'lethe-playground:role';

// Identity gets and keeps a token for the picked role. The token stays in memory; only the role is remembered.
export class Identity {
  #url;
  #role;
  #pending;

  constructor(url) {
    this.#url = url;
    const remembered = url ? localStorage.getItem(storageKey) ?? '' : '';
    this.#role = roles.some(([role]) => role === remembered) ? remembered : '';
  }

  get role() {
    return this.#role;
  }

  set role(role) {
    this.#role = role;
    this.#pending = undefined;
    localStorage.setItem(storageKey, role);
  }

  // token gives the token of the role, or undefined for anonymous requests.
  async token() {
    if (!this.#role) return undefined;
    this.#pending ??= this.#get(this.#role);
    try {
      const { token, until } = await this.#pending;
      if (Date.now() < until) return token;
    } catch (error) {
      this.#pending = undefined;
      throw error;
    }
    this.#pending = this.#get(this.#role);
    return (await this.#pending).token;
  }

  async #get(role) {
    const url = new URL(this.#url, location.href);
    url.searchParams.set('role', role);
    const response = await fetch(url, { method: 'POST', headers: { 'Lethe-Dev': '1' } });
    const text = (await response.text()).trim();
    if (!response.ok) throw new Error(`No token for ${role}: ${text}`);
    return { token: text, until: Date.now() + 60 * 60 * 1000 };
  }
}

export function IdentityPicker({ role, onPick }) {
  return (
    <label className="playground-identity">
      Send as{' '}
      <select value={role} onChange={(event) => onPick(event.target.value)}>
        {roles.map(([value, label]) => <option key={value} value={value}>{label}</option>)}
      </select>
    </label>
  );
}
