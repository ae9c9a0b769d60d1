#include "report/page.h"

#include "report/html.h"

namespace liere::report {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1b1b1f; --muted: #6a6a72; --line: #e4e4e8; --ground: #ffffff; --soft: #f6f6f8; --paper: #8a8a92;
  --c0: #0072B2; --c1: #D55E00; --c2: #009E73; --c3: #B5638F; --c4: #C98A00; --c5: #3A9AD0; --c6: #1b1b1f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e9ee; --muted: #a0a0aa; --line: #34343b; --ground: #17171a; --soft: #202024; --paper: #8f8f99;
  --c0: #4FA9E2; --c1: #F58A4B; --c2: #2FC79A; --c3: #E29CC4; --c4: #F0B840; --c5: #8CCBF2; --c6: #e9e9ee; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 2.5rem 1.25rem 4rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; font-weight: 650; letter-spacing: -0.01em; }
h2 { font-size: 1.3rem; margin: 3rem 0 0.8rem; padding-top: 1.2rem; border-top: 1px solid var(--line); font-weight: 650; }
h3 { font-size: 1.02rem; margin: 2rem 0 0.5rem; font-weight: 650; }
p { max-width: 46rem; margin: 0.5rem 0; }
.subtitle, figcaption, .notes { color: var(--muted); }
nav { margin: 1.2rem 0 0; font-size: 0.92rem; }
nav a { margin-right: 1.1rem; white-space: nowrap; }
a { color: var(--c0); text-decoration: none; } a:hover { text-decoration: underline; }
.wide { overflow-x: auto; margin: 0.8rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; min-width: 40%; }
thead th { color: var(--muted); font-weight: 500; vertical-align: bottom; border-bottom: 1.5px solid var(--muted); line-height: 1.3; }
tbody tr + tr { border-top: 1px solid var(--line); }
tbody tr:hover { background: var(--soft); }
th, td { padding: 0.42rem 0.6rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { padding-left: 0.2rem; }
.text { text-align: left; } .free { white-space: normal; min-width: 8.5rem; line-height: 1.3; }
tbody th { font-weight: 600; }
.interval { color: var(--muted); font-size: 0.92em; margin-left: 0.2em; white-space: pre; }
.swatch { display: inline-block; width: 0.62em; height: 0.62em; border-radius: 50%; margin-right: 0.5em; }
.whiskers { vertical-align: middle; display: block; }
.notes { font-size: 0.85rem; max-width: 62rem; padding-left: 1.1rem; line-height: 1.45; } .notes li { margin: 0.15rem 0; }
figure { margin: 1.4rem 0 2rem; } figcaption { font-size: 0.85rem; }
.plot { width: 100%; min-width: 40rem; height: auto; display: block; }
figure img { max-width: 100%; height: auto; image-rendering: auto; border-radius: 4px; }
code { font: 0.88em ui-monospace, "DejaVu Sans Mono", monospace; background: var(--soft); padding: 0.1em 0.3em; border-radius: 3px; }
@media (max-width: 40rem) { body { padding: 1.4rem 0.9rem 3rem; font-size: 0.95rem; } h1 { font-size: 1.5rem; } th, td { padding: 0.38rem 0.5rem; }
  tbody th { position: sticky; left: 0; background: var(--ground); min-width: 8.5rem; max-width: 12rem; white-space: normal; line-height: 1.3; } }
@page { size: A4 landscape; margin: 12mm; }
@media print { :root { color-scheme: light; --ink: #000; --muted: #555; --line: #ccc; --ground: #fff; --soft: #fff; --c0: #0072B2; --c1: #D55E00; --c2: #009E73; --c3: #B5638F; --c4: #C98A00; --c5: #3A9AD0; --c6: #000; }
  body { max-width: none; padding: 0; font-size: 9.5pt; } nav { display: none; } figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; } .wide { overflow: visible; } .plot { min-width: 0; } table { font-size: 7.5pt; } th, td { padding: 0.2rem 0.35rem; } th:first-child { white-space: normal; } .whiskers { width: 80px; } }
)";

}  // namespace

std::string page_html(const Page& page) {
  std::string contents, body;
  size_t count = 0;
  for (const Section& section : page.sections) {
    if (section.html.empty()) continue;
    const std::string anchor = "part-" + std::to_string(++count), title = escaped_for_html(section.title);
    contents += "<a href=\"#" + anchor + "\">" + title + "</a> ";
    body += "<section>\n<h2 id=\"" + anchor + "\">" + title + "</h2>\n" + section.html + "</section>\n";
  }
  return "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"generator\" content=\"liere-report\"/>\n<title>" +
         escaped_for_html(page.title) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<header><h1>" + escaped_for_html(page.title) +
         "</h1>\n" + (page.subtitle.empty() ? "" : "<p class=\"subtitle\">" + escaped_for_html(page.subtitle) + "</p>\n") +
         (count > 1 ? "<nav>" + contents + "</nav>\n" : "") + "</header>\n<main>\n" + body + "</main>\n</body>\n</html>\n";
}

}  // namespace liere::report
