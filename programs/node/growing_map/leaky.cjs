'use strict';
// Pages are kept by address, and addresses never end.
class PageCache {
  constructor() {
    this.pages = new Map();
  }

  render(id) {
    let page = this.pages.get(id);
    if (!page) {
      page = { id, body: Buffer.from('page ' + id).toString('hex').repeat(20), links: [id, id] };
      this.pages.set(id, page);
    }
    return page;
  }
}

const cache = new PageCache();

module.exports = app => {
  app.get('/page', (request, reply) => {
    reply.send(cache.render(request.query.id));
  });
};
