import { EventEmitter } from 'node:events';

export interface Ticket {
  id: string;
  seats: number[];
}

export interface Desk {
  open(id: string): Ticket;
}

/** Tells every ticket when its show is cancelled. */
const shows: EventEmitter = new EventEmitter();
shows.setMaxListeners(0);

/** Opens tickets; with `forgets`, a ticket stops listening once it is sold. */
export class TicketDesk implements Desk {
  readonly #forgets: boolean;

  constructor(forgets: boolean) {
    this.#forgets = forgets;
  }

  open(id: string): Ticket {
    const ticket: Ticket = { id, seats: new Array<number>(200).fill(1) };
    const onCancelled = function onCancelled(show: string): void {
      if (show === ticket.id) ticket.seats.length = 0;
    };
    shows.on('cancelled', onCancelled);
    if (this.#forgets) shows.off('cancelled', onCancelled);
    return ticket;
  }
}
