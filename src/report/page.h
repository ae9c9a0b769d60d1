// A report as one HTML page that needs no other file: style, pictures and tables stand in it, nothing is loaded and no script runs. It is well-formed
// XML as well, so that any parser reads it. Light or dark as the reader's system is, printable, and readable on a phone.
#pragma once

#include <string>
#include <vector>

namespace liere::report {

/// A part of the page under a heading of its own. `html` is well-formed and stands as it is; text of others goes through escaped_for_html
/// (report/html.h).
struct Section {
  std::string title, html;
};

struct Page {
  std::string title, subtitle;
  std::vector<Section> sections;  // those without html are left out
};

/// The whole file. Where there are several sections a list of them leads.
std::string page_html(const Page& page);

}  // namespace liere::report
