// Where a person gives the API key, when the service requires one.
import { useEffect, useState } from 'preact/hooks';
import { Dialog } from '@/components/Dialog';
import { apiKey, isKeyDialogOpen, isKeyRefused, useKey } from '@/state/api_key';

/** The dialog of the API key; opens by itself when a call is refused for want of one. */
export function KeyDialog() {
  return (
    <Dialog
      title="API key"
      isOpen={isKeyDialogOpen.value}
      onClose={() => {
        isKeyDialogOpen.value = false;
      }}
    >
      <KeyForm />
    </Dialog>
  );
}

function KeyForm() {
  const [key, setKey] = useState(apiKey.peek());
  useEffect(() => setKey(apiKey.peek()), []);
  const isRefused = isKeyRefused.value;
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        useKey(key.trim());
      }}
    >
      <p class={isRefused ? 'field-error' : 'muted'} role={isRefused ? 'alert' : undefined}>
        {isRefused
          ? 'This service requires a key, and knows none that was sent.'
          : 'Needed only when the service was started with API keys. It is sent in a header, never in an address, and forgotten with this tab.'}
      </p>
      <label class="field">
        <span>Key</span>
        <input
          type="password"
          class="input"
          autocomplete="current-password"
          spellcheck={false}
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
      </label>
      <div class="row row-end">
        <button type="button" class="button" onClick={() => useKey('')}>
          Use none
        </button>
        <button type="submit" class="button button-primary">
          Use this key
        </button>
      </div>
    </form>
  );
}
