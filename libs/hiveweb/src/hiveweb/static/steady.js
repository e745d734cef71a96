// Parts of long lists that are not worth drawing again.
import { Component } from "./vendor/preact.js";

/** A component that is drawn again only when one of its properties is another object. */
export class Steady extends Component {
  shouldComponentUpdate(next) { return Object.keys(next).some((key) => next[key] !== this.props[key]); }
}
