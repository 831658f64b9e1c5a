// A quiet line while the service does not answer, or does not take pictures yet.
import { service } from '@/state/service';

/** Says why nothing goes on, and that nothing need be done about it. */
export function ServiceBanner() {
  const { condition, reasons } = service.value;
  if (condition !== 'away' && condition !== 'unready' && condition !== 'degraded') return null;
  return (
    <div class="banner" role="status">
      {condition === 'away'
        ? 'The service does not answer. The page goes on by itself as soon as it does.'
        : `The service is ${condition === 'unready' ? 'not ready' : condition}: ${reasons.join('; ') || 'it gives no reason'}.`}
    </div>
  );
}
