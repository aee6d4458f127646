'use strict';
// Pages are kept by address, the latest fifty of them.
class PageCache {
  constructor() {
    this.pages = new Map();
  }

  render(id) {
    let page = this.pages.get(id);
    if (!page) {
      page = { id, body: Buffer.from('page ' + id).toString('hex').repeat(20), links: [id, id] };
      this.pages.set(id, page);
      if (this.pages.size > 50) this.pages.delete(this.pages.keys().next().value);
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
