#include "report/palette.h"

#include <set>

namespace liere::report {
namespace {

const std::map<std::string, int>& known_methods() {
  static const std::map<std::string, int> known = {{"LieRE_8", 0},     {"absolute", 1}, {"RoPE-Mixed", 2}, {"LieRE_64", 3},
                                                   {"VisionLLaMA", 4}, {"RoPE", 5},     {"none", 6}};
  return known;
}

}  // namespace

const char* paper_color(int index) {
  static const char* colors[kColorCount] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};
  return colors[index % kColorCount];
}

std::string page_color(int index) { return "var(--c" + std::to_string(index % kColorCount) + ")"; }

std::map<std::string, int> method_colors(const std::vector<Run>& runs) {
  std::map<std::string, int> colors;
  std::set<int> taken;
  for (const Run& run : runs)
    if (const auto known = known_methods().find(run.method); known != known_methods().end()) {
      colors[run.method] = known->second;
      taken.insert(known->second);
    }
  int next = 0;
  for (const Run& run : runs) {
    if (colors.count(run.method)) continue;
    while (taken.count(next)) ++next;
    colors[run.method] = next;
    taken.insert(next);
  }
  return colors;
}

}  // namespace liere::report
