// What the pages do beyond plain HTML. Every page works without this file: it only makes things quicker.
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/forms.css";
import "./styles/status.css";
import "./styles/operator.css";
import "./styles/transparency.css";
import "htmx.org";
import { startComposers } from "./composer";
import { startKeys } from "./keys";
import { startLive } from "./live";
import { startMenus } from "./menus";
import { startPasskeys } from "./passkeys";
import { startSeen } from "./seen";
import { startTimes } from "./times";
import { startToasts } from "./toasts";

document.documentElement.classList.add("js");
startToasts();
startMenus();
startTimes();
startComposers();
startLive();
startKeys();
startPasskeys();
startSeen();
