(function () {
  "use strict";
  var root = document.querySelector("svg");
  var frames = Array.prototype.slice.call(root.querySelectorAll("g.f"));
  var note = root.querySelector("#note");
  var full = Number(root.getAttribute("data-width"));
  frames.forEach(function (g) {
    g.x = Number(g.getAttribute("data-x"));
    g.w = Number(g.getAttribute("data-w"));
    g.d = Number(g.getAttribute("data-d"));
    g.name = g.querySelector("title").textContent;
    g.label = g.getAttribute("data-n");
    g.addEventListener("click", function () { zoom(g); });
    g.addEventListener("mouseenter", function () { note.textContent = g.name.replace(/\n/g, " · "); });
  });
  function place(g, x, w) {
    var rect = g.querySelector("rect");
    var text = g.querySelector("text");
    rect.setAttribute("x", x);
    rect.setAttribute("width", Math.max(w - 0.5, 0.1));
    text.setAttribute("x", x + 3);
    var room = Math.floor((w - 6) / 6.6);
    text.textContent = room < 3 ? "" : g.label.length <= room ? g.label : g.label.slice(0, room - 1) + "…";
  }
  function zoom(to) {
    var scale = full / to.w;
    frames.forEach(function (g) {
      var inside = g.x >= to.x - 1e-6 && g.x + g.w <= to.x + to.w + 1e-6;
      var above = g.d < to.d && g.x <= to.x + 1e-6 && g.x + g.w >= to.x + to.w - 1e-6;
      g.style.display = (inside && g.d >= to.d) || above ? "" : "none";
      if (above) place(g, 0, full);
      else if (inside) place(g, (g.x - to.x) * scale, g.w * scale);
    });
  }
  function search(term) {
    var hits = 0;
    var bytes = 0;
    var covered = -1;
    frames.forEach(function (g) {
      var hit = term !== "" && g.name.toLowerCase().indexOf(term.toLowerCase()) >= 0;
      g.classList.toggle("hit", hit);
      if (!hit) return;
      hits += 1;
      if (g.x >= covered - 1e-6) {
        bytes += g.w;
        covered = g.x + g.w;
      }
    });
    note.textContent = term === "" ? "" : hits + " frames match, " + (100 * bytes / full).toFixed(1) + "% of all";
  }
  function ask() {
    var term = window.prompt("Search functions, files, lines", "");
    if (term !== null) search(term);
  }
  root.querySelector("#search").addEventListener("click", ask);
  root.querySelector("#reset").addEventListener("click", function () { zoom(frames[0]); search(""); });
  window.addEventListener("keydown", function (event) {
    if ((event.key === "f" && (event.ctrlKey || event.metaKey)) || event.key === "/") {
      event.preventDefault();
      ask();
    } else if (event.key === "Escape" || event.key === "0") {
      zoom(frames[0]);
    }
  });
}());
