// Starts the dashboard: who is there, then the page that the address names.
import 'uplot/dist/uPlot.min.css';
import './style.css';
import {render} from 'preact';
import {useEffect} from 'preact/hooks';
import {Activity} from './pages/activity';
import {Deliverability} from './pages/deliverability';
import {Developers} from './pages/developers';
import {Login} from './pages/login';
import {Message} from './pages/message';
import {Overview} from './pages/overview';
import {Queue} from './pages/queue';
import {Recipients} from './pages/recipients';
import {System} from './pages/system';
import {usePlace, type Place} from './router';
import {findSession, useSession} from './session';
import {Notices} from './ui/notice';
import {PageHead} from './ui/parts';
import {Shell} from './ui/shell';
import {t, useLanguage} from './words';

function pageOf(place: Place) {
  switch (place.page) {
    case 'overview': return <Overview />;
    case 'activity': return <Activity />;
    case 'message': return <Message key={place.rest} id={place.rest} />;
    case 'queue': return <Queue />;
    case 'deliverability': return <Deliverability />;
    case 'recipients': return <Recipients />;
    case 'developers': return <Developers />;
    case 'system': return <System />;
    case 'lost': return <><PageHead title={t('lost.title')} /><p><a href="/">{t('nav.overview')}</a></p></>;
  }
}

function App() {
  useLanguage();
  const place = usePlace();
  const session = useSession();
  useEffect(() => void findSession(), []);
  if (session === undefined) return <main class="login"><p class="note loading" aria-busy="true">{t('state.loading')}</p></main>;
  return <>{session ? <Shell page={place.page}>{pageOf(place)}</Shell> : <Login />}<Notices /></>;
}

render(<App />, document.getElementById('app')!);
