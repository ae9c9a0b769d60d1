#include "train/eval/store.h"

#include <xxhash.h>

#include <ctime>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string digest_of(const std::string& content) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(XXH3_64bits(content.data(), content.size())));
  return text;
}

std::string now() {
  const std::time_t time = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text;
}

/// Names of the files that a plot leaves behind. A picture that cannot be drawn is no reason to lose an evaluation.
std::vector<std::string> draw(const PlotScript& plot, const fs::path& folder) {
  std::vector<std::string> names = {plot.name + ".tsv", plot.name + ".gp"};
  try {
    if (draw_with_gnuplot(plot, folder) == Drawn::kYes)
      names.push_back(plot.name + ".png");
    else
      log_warning("gnuplot is not installed: " + (folder / (plot.name + ".png")).string() + " was not drawn; " + plot.name + ".gp draws it where gnuplot is.");
  } catch (const Error& error) {
    log_warning(error.what());
  }
  return names;
}

}  // namespace

std::vector<std::string> damaged_files(const fs::path& folder, const json& result) {
  std::vector<std::string> damaged;
  const json files = result.value("files", json::object());
  for (const auto& [name, digest] : files.items()) {
    std::error_code ignored;
    if (!fs::is_regular_file(folder / name, ignored) || digest != digest_of(read_file(folder / name))) damaged.push_back(name);
  }
  return damaged;
}

std::optional<json> stored_result(const fs::path& folder, const json& keys) {
  std::error_code ignored;
  if (!fs::is_regular_file(folder / "eval.json", ignored)) return std::nullopt;
  const json result = json::parse(read_file(folder / "eval.json"), nullptr, /*allow_exceptions=*/false);
  if (!result.is_object() || !result.contains("files") || result.value("keys", json()) != keys) return std::nullopt;
  if (!damaged_files(folder, result).empty()) return std::nullopt;
  return result;
}

json store_result(const fs::path& folder, json result, const json& keys, const TestOutput& output) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(ExitCode::kFailure, "cannot create " + folder.string() + ": " + error.message() + ". Choose another folder with --output.");
  json files = json::object();
  for (const auto& [name, content] : output.files) {
    write_file_atomically(folder / name, content);
    files[name] = digest_of(content);
  }
  for (const auto& plot : output.plots)
    for (const auto& name : draw(plot, folder)) files[name] = digest_of(read_file(folder / name));
  result.update({{"keys", keys}, {"date", now()}, {"files", files}});
  result = json::parse(result.dump());  // what a later call reads: NaN is null
  write_file_atomically(folder / "eval.json", result.dump(2) + "\n");
  return result;
}

}  // namespace liere
