#include "report/run.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"

namespace liere::report {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// A JSON object with the place it came from, so that each wrong value is one clear sentence.
class Entry {
 public:
  Entry(const json& value, std::string where) : value_(value), where_(std::move(where)) {
    if (!value_.is_object()) fail("a JSON object", value_);
  }

  bool has(const char* key) const { return value_.contains(key); }
  double number(const char* key) const {
    const json* found = find(key);
    if (!found) return kUnknown;
    if (!found->is_number()) fail("a number in \"" + std::string(key) + "\"", *found);
    return found->get<double>();
  }
  std::optional<int64_t> integer(const char* key) const {
    const json* found = find(key);
    if (!found) return std::nullopt;
    if (!found->is_number_integer()) fail("an integer in \"" + std::string(key) + "\"", *found);
    return found->get<int64_t>();
  }
  std::string text(const char* key, const std::string& otherwise) const {
    const json* found = find(key);
    if (!found) return otherwise;
    if (!found->is_string()) fail("a string in \"" + std::string(key) + "\"", *found);
    return found->get<std::string>();
  }
  std::optional<Entry> object(const char* key) const {
    const json* found = find(key);
    if (!found) return std::nullopt;
    return Entry(*found, where_ + ", \"" + key + "\"");
  }
  const json& list(const char* key) const {
    static const json none = json::array();
    const json* found = find(key);
    if (!found) return none;
    if (!found->is_array()) fail("a list in \"" + std::string(key) + "\"", *found);
    return *found;
  }
  Accuracy accuracy() const { return {number("top1"), number("top5"), number("loss"), integer("samples"), interval("top1_interval"), interval("loss_interval")}; }
  std::optional<Interval> interval(const char* key) const {
    const json& ends = list(key);
    if (ends.empty() || (ends.size() == 2 && (ends[0].is_null() || ends[1].is_null()))) return std::nullopt;
    if (ends.size() != 2 || !ends[0].is_number() || !ends[1].is_number()) fail("two numbers in \"" + std::string(key) + "\"", ends);
    return Interval{ends[0].get<double>(), ends[1].get<double>()};
  }
  [[noreturn]] void fail(const std::string& expected, const json& found) const {
    throw DataError(where_ + ": expected " + expected + ", found " + found.dump().substr(0, 60) + ". Remove the file and make it again.");
  }

 private:
  /// Absent and null are alike: a number that is not finite is written as null.
  const json* find(const char* key) const {
    const auto found = value_.find(key);
    return found == value_.end() || found->is_null() ? nullptr : &*found;
  }

  const json& value_;
  std::string where_;
};

json parse_file(const fs::path& path) {
  json parsed = json::parse(read_file(path), nullptr, false);
  if (parsed.is_discarded()) throw DataError(path.string() + ": expected JSON, found text that does not parse. Remove the file and make it again.");
  return parsed;
}

void read_summary(const fs::path& path, Run& run) {
  const json parsed = parse_file(path);
  const Entry summary(parsed, path.string());
  run.name = summary.text("name", run.name);
  run.encoding = summary.text("encoding", "");
  run.label = summary.text("label", run.encoding.empty() ? run.name : run.encoding);
  run.identity = summary.text("identity", "");
  run.identity_without_seed = summary.text("identity_without_seed", "");
  run.dataset = summary.text("dataset", "");
  run.device = summary.text("device", "");
  run.state = summary.text("state", "done");
  run.seed = summary.integer("seed");
  run.epochs = summary.integer("epochs");
  run.steps = summary.integer("steps");
  run.samples_seen = summary.integer("samples_seen");
  run.parameters = summary.integer("parameters");
  run.rotation_parameters = summary.integer("rotation_parameters");
  run.classes = summary.integer("classes");
  run.flops_per_sample = summary.number("flops_per_sample");
  run.samples_per_second = summary.number("samples_per_second");
  run.seconds = summary.number("seconds");
  run.positions = summary.text("positions", "");
  if (const auto final_entry = summary.object("final")) {
    run.final_accuracy = final_entry->accuracy();
    run.final_accuracy.samples = final_entry->integer("count");
    // Views of one video are not independent: intervals count videos.
    if (const auto views = final_entry->integer("views_per_sample"); views && *views > 0 && run.final_accuracy.samples) *run.final_accuracy.samples /= *views;
    run.final_split = final_entry->text("split", "test");
  }
  if (const auto best = summary.object("best"))
    run.best = {best->number("top1"), best->integer("step"), best->integer("count"), best->text("selected_on", "test")};
}

/// A run that was resumed from an earlier checkpoint repeats values: the later ones count.
void add_value(double value, int64_t seen, Run::Trace& trace) {
  while (!trace.empty() && trace.back().first >= seen) trace.pop_back();
  if (std::isfinite(value)) trace.push_back({seen, value});
}

void add_event(const Entry& entry, Run& run, double& last_rate) {
  const std::string event = entry.text("event", "");
  const int64_t seen = entry.integer("samples").value_or(0);
  if (event == "train") {
    last_rate = entry.number("samples_per_second");
    run.diverged = entry.has("loss") && !std::isfinite(entry.number("loss"));
    add_value(entry.number("orthogonality"), seen, run.orthogonality);
    add_value(entry.number("grad_norm"), seen, run.gradient_norm);
  }
  if (event != "eval") return;
  EvalEvent eval{entry.integer("epoch").value_or(0), entry.integer("step").value_or(0), seen, entry.accuracy(), entry.text("split", "test")};
  eval.accuracy.samples = entry.integer("videos") ? entry.integer("videos") : entry.integer("count");
  // A run that was resumed from an earlier checkpoint repeats events: the later ones count.
  const auto repeated = [&eval](const EvalEvent& before) {
    return before.samples > eval.samples || (before.samples == eval.samples && before.split == eval.split);
  };
  std::erase_if(run.evals, repeated);
  run.evals.push_back(eval);
}

/// The highest of the evaluations, the first where several are equal.
Best best_of(const std::vector<EvalEvent>& evals) {
  Best best;
  for (const EvalEvent& eval : evals)
    if (std::isnan(best.top1) || eval.accuracy.top1 > best.top1) best = {eval.accuracy.top1, eval.step, eval.accuracy.samples, eval.split};
  return best;
}

void read_metrics(const fs::path& path, Run& run) {
  const std::string content = read_file(path);
  double last_rate = kUnknown;
  for (size_t begin = 0; begin < content.size();) {
    const size_t newline = content.find('\n', begin);
    const bool last = newline == std::string::npos || newline + 1 == content.size();
    const std::string_view line(content.data() + begin, std::min(newline, content.size()) - begin);
    begin = newline == std::string::npos ? content.size() : newline + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const json parsed = json::parse(line, nullptr, false);
    try {
      add_event(Entry(parsed, path.string()), run, last_rate);
    } catch (const DataError&) {
      if (!last) ++run.unreadable_lines;
    }
  }
  if (std::isnan(run.samples_per_second)) run.samples_per_second = last_rate;
  if (run.evals.empty()) return;
  const EvalEvent end = run.evals.back();
  // A run with a holdout measures the test set once, at the end: that is its figure, and no point of its curve.
  if (std::any_of(run.evals.begin(), run.evals.end(), [](const EvalEvent& eval) { return eval.split != "test"; }))
    std::erase_if(run.evals, [](const EvalEvent& eval) { return eval.split == "test"; });
  // A summary older than the metrics is that of a run stopped earlier that goes on now.
  if (run.steps && end.step > *run.steps) run.state = "running";
  if (run.state == "running") {
    run.steps = end.step;
    run.samples_seen = end.samples;
    run.final_accuracy = end.accuracy;
    run.final_split = end.split;
    run.best = best_of(run.evals);
  }
  if (std::isnan(run.final_accuracy.top1)) {
    run.final_accuracy = end.accuracy;
    run.final_split = end.split;
  }
  if (std::isnan(run.best.top1)) run.best = best_of(run.evals);
  for (const EvalEvent& eval : run.evals)
    if (!run.best.samples && run.best.step == eval.step) run.best.samples = eval.accuracy.samples;
  if (!run.final_accuracy.samples) run.final_accuracy.samples = end.accuracy.samples;
}

std::optional<ShuffleTest> read_shuffle(const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  const json parsed = parse_file(path);
  const Entry entry(parsed, path.string());
  ShuffleTest test;
  if (const auto before = entry.object("before")) test.before = before->accuracy();
  if (const auto after = entry.object("after")) test.after = after->accuracy();
  test.before.samples = test.after.samples = entry.integer("samples");
  test.relative_drop = entry.number("relative_drop");
  test.drop_interval = entry.interval("relative_drop_interval");
  test.seeds = static_cast<int64_t>(entry.list("seeds").size());
  return test;
}

void read_evaluations(const fs::path& folder, Run& run) {
  if (const fs::path path = folder / "accuracy" / "eval.json"; fs::exists(path)) {
    const json parsed = parse_file(path);
    const Entry entry(parsed, path.string());
    run.accuracy_test = AccuracyTest{entry.accuracy(), entry.integer("step"), entry.text("weights", "raw")};
  }
  run.shuffle_test = read_shuffle(folder / "shuffle" / "eval.json");
  run.shuffle_frames_test = read_shuffle(folder / "shuffle-frames" / "eval.json");
  if (const fs::path path = folder / "resolution" / "eval.json"; fs::exists(path)) {
    const json parsed = parse_file(path);
    for (const json& item : Entry(parsed, path.string()).list("results")) {
      const Entry entry(item, path.string() + ", \"results\"");
      ResolutionResult result{{}, entry.text("positions", "sequential"), entry.text("reading", ""), entry.accuracy()};
      for (const json& side : entry.list("size")) {
        if (!side.is_number_integer() || side.get<int64_t>() < 1) entry.fail("sizes in pixels in \"size\"", side);
        result.size.push_back(side.get<int64_t>());
      }
      if (result.size.empty()) entry.fail("\"size\": [rows, columns]", item);
      run.resolution_test.push_back(result);
    }
  }
}

[[noreturn]] void refuse(const fs::path& folder) {
  std::string hint = "Pass the folder that liere-train wrote (runs/NAME).";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (!fs::exists(entry.path() / "summary.json", ignored) && !fs::exists(entry.path() / "metrics.jsonl", ignored)) continue;
    hint = "It holds run folders, '" + entry.path().string() + "' for one: pass those.";
    break;
  }
  const std::string found = fs::is_directory(folder, ignored) ? "a folder with neither" : fs::exists(folder, ignored) ? "a file" : "nothing";
  throw DataError("'" + folder.string() + "' is not a run: expected a folder with summary.json or metrics.jsonl, found " + found + ". " + hint);
}

std::string folder_name(const Run& run) { return fs::canonical(run.folder).filename().string(); }

/// "sweep/liere_8_seed0": the part below the deepest folder that holds all of them, and of one run its own name.
void shorten_folders(std::vector<Run>& runs) {
  std::vector<fs::path> paths;
  for (const Run& run : runs) paths.push_back(fs::canonical(run.folder));
  fs::path common = paths.empty() ? fs::path() : paths[0].parent_path();
  const auto holds = [](const fs::path& folder, const fs::path& path) {
    return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
  };
  for (const fs::path& path : paths)
    while (!holds(common, path.parent_path())) common = common.parent_path();
  for (size_t i = 0; i < runs.size(); ++i) {
    runs[i].shown_folder = paths[i].lexically_relative(common).string();
    for (std::string& reason : runs[i].config.left_out)  // begins with the path of config.yaml
      if (const std::string given = runs[i].folder.string(); reason.starts_with(given)) reason.replace(0, given.size(), runs[i].shown_folder);
  }
}

/// Makes labels that occur twice different: by seed where that suffices, else by name, else by the folder's name, else by its path.
void tell_apart(std::vector<Run>& runs) {
  std::map<std::string, std::vector<Run*>> groups;
  for (Run& run : runs) groups[run.label].push_back(&run);
  for (auto& [label, group] : groups) {
    if (group.size() < 2) continue;
    std::set<std::optional<int64_t>> seeds;
    std::set<std::string> names, folders;
    for (const Run* run : group) {
      seeds.insert(run->seed);
      names.insert(run->name);
      folders.insert(folder_name(*run));
    }
    for (Run* run : group) {
      if (seeds.size() == group.size() && !seeds.count(std::nullopt))
        run->label += ", seed " + std::to_string(*run->seed);
      else
        run->label += " (" + (names.size() == group.size() ? run->name : folders.size() == group.size() ? folder_name(*run) : run->shown_folder) + ")";
    }
  }
}

}  // namespace

std::string Best::mark() const {
  if (std::isnan(top1)) return "";
  return "selected on " + selected_on + (selected_on == "test" || !samples ? "" : " (" + format_count(*samples) + " images)");
}

Run read_run(const fs::path& folder) {
  const bool has_summary = fs::is_regular_file(folder / "summary.json"), has_metrics = fs::is_regular_file(folder / "metrics.jsonl");
  if (!has_summary && !has_metrics) refuse(folder);
  Run run;
  run.folder = folder;
  run.shown_folder = folder.lexically_normal().string();
  run.name = run.label = fs::canonical(folder).filename().string();
  if (has_summary) read_summary(folder / "summary.json", run);
  if (has_metrics) read_metrics(folder / "metrics.jsonl", run);
  read_evaluations(folder / "eval", run);
  run.config = read_run_config(folder / "config.yaml");
  if (!has_summary) {
    if (!run.config.label.empty()) run.label = run.config.label;
    run.encoding = run.config.encoding;
    run.dataset = run.config.dataset;
    run.seed = run.config.seed;
  }
  run.method = run.label;
  run.diverged = run.diverged && run.state == "running";
  return run;
}

std::vector<Run> read_runs(const std::vector<fs::path>& folders, FolderNames names) {
  std::vector<Run> runs;
  std::set<fs::path> seen;
  for (const fs::path& folder : folders) {
    runs.push_back(read_run(folder));
    if (!seen.insert(fs::canonical(folder)).second)
      throw ConfigError("run '" + folder.string() + "' was given twice: expected each run once. Leave one out.");
  }
  if (names == FolderNames::kBelowCommonFolder) shorten_folders(runs);
  tell_apart(runs);
  return runs;
}

}  // namespace liere::report
