// The direction of includes: apps -> {train, report} -> {models, data, launch} -> core; models and data never meet; core, report and data (but the loader) see no LibTorch; .cu files never do.
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "support/catch.h"

namespace fs = std::filesystem;

namespace {

const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"core", {"core"}},
    {"launch", {"launch", "core"}},
    {"data", {"data", "core"}},
    {"models", {"models", "core"}},
    {"report", {"report", "core"}},
    {"workbench", {"workbench", "report", "models", "core"}},
    {"sweep", {"sweep", "core"}},
    {"status", {"status", "report", "sweep", "core"}},
    {"train", {"train", "launch", "models", "data", "core"}},
    {"bench", {"bench", "train", "launch", "models", "data", "core"}},
};
const std::set<std::string> kMaySeeTorch = {"data/loader.h", "data/loader.cpp"};

bool is_source(const fs::path& path) { return std::set<std::string>{".h", ".cpp", ".cu", ".cuh"}.count(path.extension().string()) > 0; }

std::vector<std::string> includes_of(const fs::path& path) {
  static const std::regex pattern(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  std::vector<std::string> includes;
  std::ifstream stream(path);
  std::smatch match;
  for (std::string line; std::getline(stream, line);)
    if (std::regex_search(line, match, pattern)) includes.push_back(match[1]);
  return includes;
}

bool is_torch(const std::string& include) { return std::regex_search(include, std::regex("^(torch|ATen|c10)/")); }

}  // namespace

TEST_CASE("no folder includes one above it, and LibTorch stays where it belongs", "[architecture]") {
  const auto source = fs::path(LIERE_SOURCE_DIR) / "src";
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(source)) {
    if (!is_source(entry.path())) continue;
    ++files;
    const auto name = fs::relative(entry.path(), source).string();
    const auto folder = name.substr(0, name.find('/'));
    INFO(name);
    REQUIRE(kMayInclude.count(folder) == 1);
    for (const auto& include : includes_of(entry.path())) {
      INFO(include);
      const auto target = include.substr(0, include.find('/'));
      if (kMayInclude.count(target)) CHECK(kMayInclude.at(folder).count(target) == 1);
      const bool may_see_torch = folder == "models" || folder == "train" || folder == "bench" || kMaySeeTorch.count(name) > 0;
      if (is_torch(include)) CHECK((may_see_torch && entry.path().extension() != ".cu" && entry.path().extension() != ".cuh"));
    }
  }
  CHECK(files > 50);
}

TEST_CASE("names of test cases are such that ctest finds them, and no file has the marks of a merge", "[architecture]") {
  static const std::regex name(R"re(TEST_CASE\("([^"]*)")re"), mark("^(<{7}|>{7}|={7}$)");
  const fs::path root = LIERE_SOURCE_DIR;
  int names = 0;
  for (const char* folder : {"apps", "cmake", "configs", "docs", "scripts", "src", "tests"})
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const auto ending = entry.path().extension().string();
      if (!entry.is_regular_file() || std::set<std::string>{".h", ".cpp", ".cu", ".md", ".yaml", ".sh", ".txt", ".cmake", ".py"}.count(ending) == 0) continue;
      INFO(entry.path());
      std::ifstream stream(entry.path());
      std::smatch match;
      for (std::string line; std::getline(stream, line);) {
        if (std::regex_search(line, mark)) FAIL_CHECK(line);
        if (ending != ".cpp" || !std::regex_search(line, match, name)) continue;
        ++names;
        if (match[1].str().find(';') != std::string::npos) FAIL_CHECK("a semicolon, at which CMake splits lists: " << match[1]);
      }
    }
  CHECK(names > 500);
}
