// Makes run folders as liere-train and liere-eval write them.
#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace liere::test {

using nlohmann::json;
namespace fs = std::filesystem;

inline void put(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

inline json summary(const std::string& name, const std::string& label, double top1, int64_t seed = 0) {
  return {{"name", name},
          {"encoding", "liere"},
          {"label", label},
          {"identity", label + std::to_string(seed)},
          {"identity_without_seed", label},
          {"seed", seed},
          {"dataset", "arrows"},
          {"epochs", 3},
          {"steps", 300},
          {"samples_seen", 19200},
          {"parameters", 1234567},
          {"rotation_parameters", 512},
          {"flops_per_sample", 1.2e8},
          {"final", {{"top1", top1}, {"top5", 100.0}, {"loss", 0.03}}},
          {"best", {{"top1", top1}, {"epoch", 3}, {"step", 300}, {"selected_on", "test"}}},
          {"seconds", 123.4},
          {"samples_per_second", 640.1},
          {"device", "cpu, 2 threads"},
          {"state", "done"}};
}

/// One evaluation per 6,400 training samples.
inline std::string metrics(const std::vector<double>& top1) {
  std::string text;
  for (size_t i = 0; i < top1.size(); ++i) {
    const int64_t step = 100 * static_cast<int64_t>(i + 1), samples = 64 * step;
    text += json{{"event", "train"},
                 {"epoch", i},
                 {"step", step},
                 {"samples", samples},
                 {"loss", 1.2},
                 {"lr", 0.001},
                 {"samples_per_second", 640 + static_cast<int64_t>(i)}}
                .dump() +
            "\n";
    text += json{{"event", "eval"}, {"epoch", i + 1}, {"step", step}, {"samples", samples},
                 {"top1", top1[i]}, {"top5", 100.0},  {"loss", 1.1},  {"count", 2000}}
                .dump() +
            "\n";
  }
  return text;
}

/// A finished run on arrows whose last figure is `top1`; with_evaluations adds all three tests, at 60x60 and 84x84.
inline fs::path make_run(const fs::path& folder, const std::string& label, double top1, bool with_evaluations = true, int64_t seed = 0) {
  put(folder / "summary.json", summary(folder.filename().string(), label, top1, seed).dump());
  put(folder / "metrics.jsonl", metrics({0.5 * top1, 0.9 * top1, top1}));
  if (!with_evaluations) return folder;
  put(folder / "eval/accuracy/eval.json", json{{"test", "accuracy"},
                                               {"step", 300},
                                               {"dataset", "arrows"},
                                               {"samples", 2000},
                                               {"top1", top1},
                                               {"top5", 100.0},
                                               {"loss", 0.03},
                                               {"weights", "raw"}}
                                              .dump());
  put(folder / "eval/shuffle/eval.json", json{{"test", "shuffle"},
                                              {"samples", 2000},
                                              {"before", {{"top1", top1}}},
                                              {"after", {{"top1", 25.0}}},
                                              {"seeds", {{{"seed", 0}, {"top1", 25.0}}}},
                                              {"relative_drop", 100 * (top1 - 25) / top1}}
                                             .dump());
  json results = json::array();
  for (const int64_t side : {60, 84})
    results.push_back({{"size", {side, side}},
                       {"grid", {side / 12, side / 12}},
                       {"positions", "sequential"},
                       {"reading", "grid"},
                       {"samples", 500},
                       {"top1", top1 - 0.1 * static_cast<double>(side)},
                       {"top5", 100.0},
                       {"loss", 0.1}});
  put(folder / "eval/resolution/eval.json", json{{"test", "resolution"}, {"results", results}}.dump());
  return folder;
}

/// config.yaml with these entries of `reproduces` (YAML flow maps).
inline void put_config(const fs::path& folder, const std::vector<std::string>& reproduces, const std::string& more = "") {
  std::string text = more + "reproduces:\n";
  for (const std::string& entry : reproduces) text += "  - " + entry + "\n";
  put(folder / "config.yaml", text);
}

/// eval/accuracy of samples that are right where `right` says so, all of class sample % 4.
inline void put_samples(const fs::path& folder, const std::vector<bool>& right, int64_t step = 300) {
  std::string text = "sample,view,label,loss,brier,class_1,probability_1,class_2,probability_2\r\n";
  double correct = 0;
  for (size_t i = 0; i < right.size(); ++i) {
    const size_t label = i % 4;
    text += std::to_string(i) + ",0," + std::to_string(label) + ",0.5,0.1," + std::to_string(right[i] ? label : (label + 1) % 4) + ",0.9,0,0.1\r\n";
    correct += right[i];
  }
  put(folder / "eval/accuracy/samples.csv", text);
  const double top1 = 100 * correct / static_cast<double>(right.size());
  put(folder / "eval/accuracy/eval.json", json{{"test", "accuracy"}, {"step", step}, {"samples", right.size()}, {"top1", top1}, {"loss", 1.5}, {"top1_interval", {top1 - 1, top1 + 1}}}.dump());
}

}  // namespace liere::test
