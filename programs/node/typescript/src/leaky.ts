import { type Desk, TicketDesk } from './tickets';

const desk: Desk = new TicketDesk(false);

interface Routes {
  get(path: string, handler: (request: { query: { id: string } }, reply: { send(body: unknown): void }) => void): void;
}

export = (app: Routes): void => {
  app.get('/ticket', (request, reply) => {
    reply.send({ id: desk.open(request.query.id).id });
  });
};
