/** Asks for the token when the service wants one. */

import { useState } from "preact/hooks";
import { login } from "../api";

export function Login({ onEnter }: { onEnter: () => void }) {
  const [trouble, setTrouble] = useState("");
  const enter = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    try {
      await login(String(form.get("token") ?? ""));
      onEnter();
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : "the service did not answer");
    }
  };
  return (
    <form class="card empty login" onSubmit={enter}>
      <h1>This service asks for a token</h1>
      <p>
        It is a line of the file that <code>api.token_file</code> names in the configuration.
      </p>
      <label>
        Token
        <input name="token" type="password" autocomplete="current-password" required />
      </label>
      <button type="submit">Enter</button>
      {trouble !== "" && <p role="alert">{trouble}</p>}
    </form>
  );
}
