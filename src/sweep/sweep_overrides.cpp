// Keys that the command line of liere-sweep gives beside the file's.
#include "core/check.h"
#include "sweep/sweep_file.h"

namespace liere::sweep {
namespace {

/// Whether setting one changes the other: the same key, or a section and a key in it.
bool overlap(const std::string& a, const std::string& b) { return a == b || a.starts_with(b + ".") || b.starts_with(a + "."); }

}  // namespace

SweepFile with_overrides(SweepFile file, const std::vector<std::string>& given) {
  for (const auto& text : given) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) throw ConfigError("'" + text + "' is no override: expected KEY=VALUE, as in train.epochs=2.");
    const auto key = text.substr(0, equals);
    if (key == "output") {
      file.output = text.substr(equals + 1);
      if (file.output.empty()) throw ConfigError("output= names no folder: expected the folder of the sweep's run folders.");
      continue;
    }
    const auto refuse = [&](const std::string& what) {
      throw ConfigError(text + " would undo what " + what + " sets in the sweep '" + file.name + "'. Leave it out, or change a copy of the sweep's file.");
    };
    for (const auto& axis : file.axes)
      for (const auto& value : axis.values)
        for (const auto& override : value.overrides)
          if (overlap(key, override.substr(0, override.find('=')))) refuse("the axis '" + axis.name + "'");
    if (file.tune) {
      if (overlap(key, file.tune->key)) refuse("tune");
      for (const auto& override : file.tune->overrides)
        if (overlap(key, override.substr(0, override.find('=')))) refuse("tune");
    }
    file.given.push_back(text);
  }
  return file;
}

}  // namespace liere::sweep
