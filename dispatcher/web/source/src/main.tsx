// Where the page begins.
import { render } from 'preact';
import { App } from '@/app';
import { keepDroppedFilesFromLeaving } from '@/state/dropping';
import { startServiceWatch } from '@/state/service';
import { startTheme } from '@/state/theme';
import '@/styles/tokens.css';
import '@/styles/base.css';
import '@/styles/layout.css';
import '@/styles/controls.css';
import '@/styles/parts.css';
import '@/styles/data.css';

startTheme();
keepDroppedFilesFromLeaving();
startServiceWatch();
const root = document.getElementById('page');
if (root !== null) render(<App />, root);
