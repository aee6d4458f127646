(function () {
  "use strict";
  var svg = document.querySelector("svg");
  var note = document.getElementById("note");
  var heading = note.textContent;
  var whole = svg.getAttribute("viewBox");
  var path = [whole];
  svg.addEventListener("mouseover", function (event) {
    var tile = event.target.closest("g");
    note.textContent = tile ? tile.querySelector("title").textContent.replace(/\n/g, " · ") : heading;
  });
  svg.addEventListener("click", function (event) {
    var rect = event.target.closest("g").querySelector("rect");
    var box = ["x", "y", "width", "height"].map(function (name) { return rect.getAttribute(name); }).join(" ");
    if (box === path[path.length - 1]) return;
    path.push(box);
    svg.setAttribute("viewBox", box);
  });
  function back() {
    if (path.length > 1) path.pop();
    svg.setAttribute("viewBox", path[path.length - 1]);
  }
  svg.addEventListener("contextmenu", function (event) { event.preventDefault(); back(); });
  document.addEventListener("keydown", function (event) { if (event.key === "Escape" || event.key === "Backspace") back(); });
})();
