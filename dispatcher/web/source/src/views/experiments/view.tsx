// The view "Experiments": threads on one picture, a load run's report, a schedule replayed.
import { ReplayCard } from '@/views/experiments/ReplayCard';
import { ReportCard } from '@/views/experiments/ReportCard';
import { ScalingCard } from '@/views/experiments/ScalingCard';
import '@/views/experiments/experiments.css';

/** The view. */
export default function View() {
  return (
    <div class="view">
      <header class="view-head">
        <h1>Experiments</h1>
        <p class="muted">How fast, and how it behaves under load.</p>
      </header>
      <ScalingCard />
      <ReplayCard />
      <ReportCard />
    </div>
  );
}
