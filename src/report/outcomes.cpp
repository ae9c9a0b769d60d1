#include "report/outcomes.h"

#include <charconv>
#include <string>
#include <string_view>

#include "core/check.h"
#include "core/files.h"

namespace liere::report {
namespace {

constexpr std::string_view kHeader = "sample,view,label,loss,brier,class_1,";
constexpr size_t kSample = 0, kLabel = 2, kClass = 5;

/// The whole numbers in the fields sample, label and class_1 of a line; false where one of them is none.
bool read_line(std::string_view line, int64_t (&values)[kClass + 1]) {
  size_t begin = 0;
  for (size_t field = 0; field <= kClass; ++field) {
    const size_t end = line.find(',', begin);
    if (end == std::string_view::npos) return false;
    if (field == kSample || field == kLabel || field == kClass) {
      const auto [stop, error] = std::from_chars(line.data() + begin, line.data() + end, values[field]);
      if (error != std::errc() || stop != line.data() + end) return false;
    }
    begin = end + 1;
  }
  return true;
}

}  // namespace

double Outcomes::mean() const {
  double sum = 0;
  for (const double value : top1) sum += value;
  return sum / static_cast<double>(top1.size());
}

std::optional<Outcomes> read_outcomes(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  const std::string content = read_file(path);
  const auto fail = [&path](size_t line, const std::string& expected) -> DataError {
    return DataError(path.string() + ":" + std::to_string(line) + ": expected " + expected +
                     ". Make it again with: liere-eval --test accuracy --fresh");
  };
  if (!content.starts_with(kHeader)) throw fail(1, "the columns " + std::string(kHeader) + "...");
  Outcomes outcomes;
  std::vector<double> views;
  size_t number = 1;
  for (size_t begin = content.find('\n') + 1; begin != 0 && begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    int64_t values[kClass + 1] = {};
    ++number;
    if (!read_line(std::string_view(content).substr(begin, end - begin), values)) throw fail(number, "sample, view, label, loss, brier and classes");
    if (values[kLabel] < 0) throw fail(number, "a label");
    const double right = values[kClass] == values[kLabel] ? 100 : 0;
    if (!outcomes.samples.empty() && outcomes.samples.back() == values[kSample]) {
      if (outcomes.labels.back() != values[kLabel]) throw fail(number, "one label for all views of a sample");
      views.back() += 1;
      outcomes.top1.back() += right;
    } else {
      outcomes.samples.push_back(values[kSample]);
      outcomes.labels.push_back(values[kLabel]);
      outcomes.top1.push_back(right);
      views.push_back(1);
    }
    begin = end + 1;
  }
  if (outcomes.top1.empty()) throw fail(2, "at least one sample");
  for (size_t i = 0; i < views.size(); ++i) outcomes.top1[i] /= views[i];
  return outcomes;
}

}  // namespace liere::report
