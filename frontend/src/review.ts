// Starts the cost review: everything is drawn already, only the lines to paste get their buttons.
import { wireCopy, wirePrint } from "./page";

wireCopy();
wirePrint();
