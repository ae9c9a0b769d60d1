// A sweep as a file: axes whose product is a list of runs of liere-train.
//
//   config: cifar100_liere.yaml            # of every point, unless a value of an axis names its own
//   overrides: [train.epochs=50]           # of every point
//   axes:
//     block_size: {key: model.position.block_size, values: [2, 8, 64]}
//     encoding: {values: {absolute: {config: cifar100_absolute.yaml}, rope_mixed: {config: cifar100_rope_mixed.yaml, overrides: [optimizer.lr=1e-4]}}}
//     seed: {key: seed, values: [0, 1, 2]}
//   evaluate: [accuracy, shuffle]          # liere-eval --test of every finished run
//   tune: {key: optimizer.lr, values: [1e-4, 2e-4], per: encoding, overrides: [data.holdout=5000, train.epochs=10]}
//   reproduces:                            # what a point should give: its entries go into the run's configuration
//     - {where: {block_size: 8}, table: E, row: b = 8, top1: 70.32}
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"

namespace liere::sweep {

struct AxisValue {
  std::string label;  // as it stands in names of folders: letters, digits, '.', '_', '-'
  std::string text;   // as `where` names it
  std::string config;
  std::vector<std::string> overrides;
};
struct Axis {
  std::string name;
  std::vector<AxisValue> values;
};

/// Every value of the axis `per` gets the same budget: one training per value of `key`, chosen by the accuracy on the held-out part of the training data.
struct Tuning {
  std::string key, per;
  std::vector<std::string> values, overrides;
};

struct SweepFile {
  std::string name, config, output;  // output: folder of the run folders
  std::vector<std::string> overrides, evaluate;
  std::vector<std::string> given;    // overrides of the command line, after all of the file's
  std::vector<Axis> axes;
  std::optional<Tuning> tune;
  std::vector<ConfigNode> reproduces;  // each a map with `where`
};

/// One run.
struct Point {
  std::string name;                                // of its folder: "block_size-8_seed0"
  std::map<std::string, std::string> at;           // axis -> text of its value
  std::string config;
  std::vector<std::string> overrides;              // output and reproduces among them
  std::string folder;
  std::string tuned_value;                         // of a tuning run
  std::string tuning_of;                           // of a tuning run: text of the value of the axis `per`
};

/// The file itself, else NAME or NAME.yaml in ./configs/sweeps or the installed share folder. Throws ConfigError naming where it looked.
std::filesystem::path find_sweep(const std::string& name);
/// Throws ConfigError with file, line and column: an unknown key, an axis without values, `where` or `per` naming no axis or no value, two points of one folder.
SweepFile read_sweep(const std::filesystem::path& path);

/// The file with overrides (KEY=VALUE) of every point; output=DIR names the sweep's own folder. Throws ConfigError for a key that an axis or `tune` sets.
SweepFile with_overrides(SweepFile file, const std::vector<std::string>& given);

/// The product of the axes, the last one running fastest.
std::vector<Point> points_of(const SweepFile& file);
/// The runs that choose, for each value of the axis `per`; the other axes stand at their first value. Empty without `tune`.
std::vector<Point> tuning_points(const SweepFile& file);

/// A node as YAML in one line without blanks (JSON, blanks in texts as \u0020), so that lists of runs may be split at blanks.
std::string flow_text(const ConfigNode& node);

}  // namespace liere::sweep
