// The head of the page: its name, the views, how the service is, theme and key.
import { KeyRound, Monitor, Moon, Sun } from 'lucide';
import { Icon } from '@/components/Icon';
import { hrefTo, route, VIEWS } from '@/routes';
import { apiKey, isKeyDialogOpen } from '@/state/api_key';
import { type ServiceCondition, service } from '@/state/service';
import { nextTheme, theme } from '@/state/theme';

const WORDS: Readonly<Record<ServiceCondition, string>> = {
  unknown: 'Looking …',
  ready: 'Ready',
  degraded: 'Degraded',
  unready: 'Not ready',
  away: 'No answer',
};
const THEME_ICONS = { system: Monitor, light: Sun, dark: Moon };

/** The head of the page. */
export function Header() {
  return (
    <header class="header">
      <div class="header-row">
        <a class="brand" href={hrefTo('try')}>
          <BrandMark />
          Conveyor
        </a>
        <nav class="nav" aria-label="Views">
          {VIEWS.map(({ name, title }) => (
            <a
              key={name}
              class="nav-link"
              href={hrefTo(name)}
              aria-current={route.value.view === name ? 'page' : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
        <div class="header-tools">
          <ServiceDot />
          <button
            class="button button-quiet button-icon"
            aria-label={`Theme: ${theme.value}`}
            title={`Theme: ${theme.value}`}
            onClick={nextTheme}
          >
            <Icon of={THEME_ICONS[theme.value]} />
          </button>
          <KeyButton />
        </div>
      </div>
    </header>
  );
}

function ServiceDot() {
  const { condition, reasons } = service.value;
  return (
    <span class={`service service-${condition}`} role="status" title={reasons.join('; ')}>
      <span class="service-dot" aria-hidden="true" />
      <span class="service-word">
        <span class="visually-hidden">Service: </span>
        {WORDS[condition]}
      </span>
    </span>
  );
}

function KeyButton() {
  const label = apiKey.value === '' ? 'API key: none' : 'API key: set';
  return (
    <button
      class={`button button-quiet button-icon ${apiKey.value === '' ? '' : 'is-on'}`}
      aria-label={label}
      title={label}
      onClick={() => {
        isKeyDialogOpen.value = true;
      }}
    >
      <Icon of={KeyRound} />
    </button>
  );
}

function BrandMark() {
  return (
    <svg class="brand-mark" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
      <rect x="6" y="3" width="8" height="8" rx="1.5" />
      <path d="M2 15h20M5 19h.01M12 19h.01M19 19h.01" />
    </svg>
  );
}
