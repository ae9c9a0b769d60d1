#include "report/workbench/workbench.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "report/html.h"
#include "report/workbench/pictures.h"

namespace liere::report {
namespace {

namespace fs = std::filesystem;

std::string scientific(double value) {
  if (!std::isfinite(value)) return "-";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1e", value);
  return minus_signed(buffer);
}

std::string fixed(double value, int places) { return std::isinf(value) ? "∞" : format_number(value, places); }

std::string size_text(const std::vector<int64_t>& size) {
  std::string text;
  for (const auto side : size) text += (text.empty() ? "" : "x") + std::to_string(side);
  return text;
}

double mean_frequency(const HeadFigures& head) {
  double sum = 0;
  size_t count = 0;
  for (const auto& axis : head.frequencies)
    for (const double theta : axis) sum += std::abs(theta), ++count;
  return count ? sum / static_cast<double>(count) : 0;
}

double mean_of(const Analysis& analysis, const std::function<double(const HeadFigures&)>& figure) {
  double sum = 0;
  for (const auto& head : analysis.heads) sum += figure(head);
  return sum / static_cast<double>(analysis.heads.size());
}

double median_range(const Analysis& analysis, size_t axis) {
  std::vector<double> ranges;
  for (const auto& head : analysis.heads) ranges.push_back(head.range[axis]);
  std::nth_element(ranges.begin(), ranges.begin() + static_cast<std::ptrdiff_t>(ranges.size() / 2), ranges.end());
  return ranges[ranges.size() / 2];
}

/// Letters, digits and '_' of a label, for a file's name.
std::string file_part(const std::string& label) {
  std::string part;
  for (const char c : label) part += std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::tolower(static_cast<unsigned char>(c))) : '_';
  return part;
}

struct Drawing {
  const fs::path& folder;
  const std::string& program;
  bool found = true;
  std::string problem;

  std::string figure(const WorkbenchPicture& picture, bool as_png) {
    if (picture.plot.name.empty()) return "";
    const auto& name = picture.plot.name;
    try {
      if (draw_with_gnuplot(picture.plot, folder, program, {"png", "svg", "pdf"}) == Drawn::kNoProgram) {
        found = false;
        return "";
      }
    } catch (const Error& error) {
      if (problem.empty()) problem = error.what();
      return "";
    }
    const std::string inside = as_png ? "<img src=\"" + png_uri(read_file(folder / (name + ".png"))) + "\" alt=\"" + escaped_for_html(picture.title) + "\"/>"
                                      : inline_svg(read_file(folder / (name + ".svg")), name, picture.title);
    return "<figure><div class=\"wide\">" + inside + "</div><figcaption>" + escaped_for_html(picture.caption + " " + name) + ".png, .svg, .pdf; figures in .tsv, script in .gp</figcaption></figure>\n";
  }
};

std::string heads_csv(const std::vector<Analysis>& analyses) {
  std::string text = "run,layer,head,axis,mean_frequency,largest_frequency,start_mean_frequency,commutator,start_commutator,departure,range_steps,orthogonality\r\n";
  const auto value = [](double x) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.6g", x);
    return std::isnan(x) ? std::string() : std::string(buffer);
  };
  for (const auto& analysis : analyses)
    for (int64_t layer = 0; layer < (analysis.heads.empty() ? 0 : analysis.encoding.layers()); ++layer)
      for (int64_t head = 0; head < analysis.encoding.heads(); ++head) {
        const auto& h = analysis.at(layer, head);
        for (size_t axis = 0; axis < h.frequencies.size(); ++axis) {
          const auto mean = [](const std::vector<double>& all) {
            double sum = 0;
            for (const double theta : all) sum += std::abs(theta);
            return all.empty() ? std::nan("") : sum / static_cast<double>(all.size());
          };
          text += "\"" + analysis.encoding.label + "\"," + std::to_string(layer) + "," + std::to_string(head) + "," + std::to_string(axis) + "," + value(mean(h.frequencies[axis])) + "," +
                  value(h.frequencies[axis].empty() ? std::nan("") : std::abs(h.frequencies[axis].front())) + "," + value(h.start_frequencies.empty() ? std::nan("") : mean(h.start_frequencies[axis])) + "," + value(h.commutator) + "," +
                  value(h.start_commutator) + "," + value(h.departure) + "," + value(h.range[axis]) + "," + value(h.orthogonality.empty() ? std::nan("") : h.orthogonality.front()) + "\r\n";
        }
      }
  return text;
}

}  // namespace

std::vector<Analysis> analyse_runs(const std::vector<fs::path>& runs) {
  std::vector<Analysis> analyses;
  for (auto& encoding : read_encodings(runs)) analyses.push_back(analyse(std::move(encoding)));
  return analyses;
}

Table workbench_table(const std::vector<Analysis>& analyses) {
  Table table;
  table.title = "What the encodings have learned";
  table.header = {{"encoding"}, {"frequency", "mean"}, {"at the", "start"}, {"commutator", "mean"}, {"at the", "start"}, {"departure from", "relative"}, {"range, steps", "per axis"}, {"max |RᵀR − I|", "training size"}, {"at the", "largest size"}, {"determinant", "not 1"}};
  bool has_range = false;
  for (const auto& analysis : analyses) {
    const auto& e = analysis.encoding;
    if (analysis.heads.empty()) {
      table.rows.push_back({e.label, "-", "-", "-", "-", "-", "-", "-", "-", "-"});
      table.notes.push_back(e.label + (e.table.empty() ? ": tokens know nothing of their places." : ": adds a table to the tokens, nothing turns; its similarity is drawn."));
      continue;
    }
    has_range = true;
    const bool has_start = !analysis.heads.front().start_frequencies.empty();
    std::string range;
    for (size_t axis = 0; axis < e.grid.size(); ++axis) range += (axis ? " / " : "") + fixed(median_range(analysis, axis), 1);
    double first = 0, last = 0;
    int64_t mirrored = 0;
    for (const auto& head : analysis.heads) {
      first = std::max(first, head.orthogonality.front());
      last = std::max(last, head.orthogonality.back());
      mirrored += head.mirrored;
    }
    HeadFigures start;
    table.rows.push_back({e.label, fixed(mean_of(analysis, mean_frequency), 2),
                          has_start ? fixed(mean_of(analysis, [&](const HeadFigures& head) {
                            start.frequencies = head.start_frequencies;
                            return mean_frequency(start);
                          }), 2) : "-",
                          fixed(mean_of(analysis, [](const HeadFigures& head) { return head.commutator; }), 3), fixed(mean_of(analysis, [](const HeadFigures& head) { return head.start_commutator; }), 3),
                          fixed(mean_of(analysis, [](const HeadFigures& head) { return head.departure; }), 3), range, scientific(first), scientific(last) + " (" + size_text(analysis.sizes.back()) + ")", std::to_string(mirrored)});
  }
  if (has_range) {
    table.notes.push_back("Frequency: singular values of the generators in radians per unit of position (the side of a picture at the training size), mean over axes, layers, heads and planes.");
    table.notes.push_back("Commutator: ||A_x A_y - A_y A_x|| / (||A_x|| ||A_y||), mean over layers and heads; 0 where the axes commute, as in every RoPE.");
    table.notes.push_back("Departure: ||R(p)^T R(p + d) - R(d)|| / sqrt(2 head dimension), mean over pairs of tokens: 0 where scores depend on the offset alone, about 1 where they do not.");
    table.notes.push_back("Range: steps of the token grid until the score tr(R(0)^T R(d)) / head dimension first falls under 1/2, median over layers and heads. Determinant: tokens of the training size whose R mirrors, of all layers and heads.");
  }
  return table;
}

std::vector<Section> write_workbench(const std::vector<Analysis>& analyses, const fs::path& folder, const std::string& plot_program) {
  const auto table = workbench_table(analyses);
  write_file_atomically(folder / "workbench.csv", csv(table));
  write_file_atomically(folder / "heads.csv", heads_csv(analyses));
  Drawing drawing{folder, plot_program, true, ""};
  std::string html_text = html(table) + drawing.figure(commutator_picture(analyses, "workbench_commutators"), false);
  for (const auto& analysis : analyses) {
    const std::string part = "workbench_" + file_part(analysis.encoding.label);
    std::string pictures;
    if (!analysis.heads.empty()) {
      pictures += drawing.figure(score_picture(analysis, part + "_scores"), true);
      if (!analysis.encoding.projections.empty()) pictures += drawing.figure(logit_picture(analysis, part + "_logits"), true);
      pictures += drawing.figure(frequency_picture(analysis, part + "_frequencies"), true);
    }
    if (!analysis.similarity.empty()) pictures += drawing.figure(table_picture(analysis, part + "_table"), true);
    if (!pictures.empty()) html_text += "<h3>" + escaped_for_html(analysis.encoding.label) + "</h3>\n" + pictures;
  }
  if (!drawing.found) log_warning(plot_program + " was not found: the workbench has no pictures. Install it with: apt-get install gnuplot-nox");
  if (!drawing.problem.empty()) throw Error(ExitCode::kFailure, drawing.problem);
  return {{table.title, html_text}};
}

}  // namespace liere::report
