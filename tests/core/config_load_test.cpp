// Configuration files: inheritance, overrides, and finding them by name.
#include <filesystem>

#include "core/config_fixture.h"
#include "core/files.h"
#include "support/fixtures.h"

namespace liere::test {
namespace {

/// A folder of configuration files.
class Files {
 public:
  std::string write(const std::string& name, const std::string& text) const {
    const auto path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    write_file_atomically(path, text);
    return path.string();
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

 private:
  TemporaryFolder folder_;
};

RootConfig loaded(const std::string& path, const std::vector<std::string>& overrides = {}) {
  RootConfig config;
  decode(load_config(path, overrides), config);
  return config;
}

std::string load_error(const std::string& path, const std::vector<std::string>& overrides = {}) {
  return error_of([&] { loaded(path, overrides); });
}

TEST_CASE("config files: maps merge along the chain of bases, other values replace") {
  const Files files;
  files.write("base/deep/first.yaml", "seed: 1\nrates: [1, 2, 3]\nmodel: {width: 5, depth: 6, patch: [8, 8]}\nreproduces: {a: 1, b: 1}\n");
  files.write("base/second.yaml", "base: deep/first.yaml\nseed: 2\nmodel:\n  depth: 7\n");
  const auto path = files.write("third.yaml", "model: {width: null, patch: [2]}\nbase: base/second.yaml\nrates: [9]\nreproduces: {b: 2}\n");
  const RootConfig c = loaded(path);
  CHECK(c.seed == 2);
  CHECK(c.rates == std::vector<double>{9});
  CHECK_FALSE(c.model.width.has_value());
  CHECK(c.model.depth == 7);
  CHECK(c.model.patch == std::vector<int64_t>{2});
  CHECK(c.reproduces.find("a")->scalar == "1");
  CHECK(c.reproduces.find("b")->scalar == "2");
  const ConfigNode node = load_config(path, {});
  CHECK(node.find("base") == nullptr);
  CHECK(node.find("seed")->origin.text() == files.path("base/second.yaml") + ":2:7");
  CHECK(node.find("model")->find("patch")->origin.text() == path + ":1:29");
  CHECK(node.find("rates")->items[0].origin.text() == path + ":3:9");
}

TEST_CASE("config files: another kind replaces the inherited map, the same kind merges") {
  const Files files;
  files.write("base.yaml", "model: {dropout: 0.5, position: {kind: liere, block_size: 8, share: heads}}\n");
  const auto rope = loaded(files.write("rope.yaml", "base: base.yaml\nmodel: {position: {kind: rope}}\n"));
  CHECK(std::get<RopeConfig>(rope.model.position).base == 10000);
  CHECK(rope.model.dropout == 0.5);
  const auto same = loaded(files.write("same.yaml", "base: base.yaml\nmodel: {position: {kind: liere, share: both}}\n"));
  CHECK(std::get<LiereConfig>(same.model.position).block_size == 8);
  CHECK(std::get<LiereConfig>(same.model.position).share == Share::kBoth);
  const auto unnamed = loaded(files.write("unnamed.yaml", "base: base.yaml\nmodel: {position: {share: both}}\n"));
  CHECK(std::get<LiereConfig>(unnamed.model.position).block_size == 8);
}

TEST_CASE("config files: an error in a base file names that file") {
  const Files files;
  const auto base = files.write("base.yaml", "seed: 1\nmodel:\n  blok: 2\n");
  CHECK_THAT(load_error(files.write("top.yaml", "base: base.yaml\nseed: 2\n")),
             Catch::Matchers::StartsWith(base + ":3:3: unknown key 'model.blok'."));
}

TEST_CASE("config files: wrong bases are errors") {
  const Files files;
  const auto circle = files.write("a.yaml", "seed: 1\nbase: b.yaml\n");
  files.write("b.yaml", "base: ./sub/../a.yaml\n");
  std::filesystem::create_directories(files.path("sub"));
  CHECK(load_error(circle) == files.path("b.yaml") + ":1:7: base files inherit from each other in a circle: " + circle + " -> " +
                                  files.path("b.yaml") + " -> " + circle + ".");
  CHECK_THAT(load_error(files.write("self.yaml", "base: self.yaml\n")), contains("in a circle"));
  CHECK_THAT(load_error(files.write("missing.yaml", "base: none.yaml\n")),
             Catch::Matchers::StartsWith(files.path("missing.yaml") + ":1:7: the base file " + files.path("none.yaml") + " does not exist."));
  for (const auto* text : {"base: [a.yaml, b.yaml]", "base: {a: b}", "base: \"\""})
    CHECK_THAT(load_error(files.write("wrong.yaml", text)),
               Catch::Matchers::StartsWith(files.path("wrong.yaml") + ":1:7: 'base' must be the path of one file"));
  CHECK_THAT(load_error(files.write("wrong.yaml", "base:\n")),
             Catch::Matchers::StartsWith(files.path("wrong.yaml") + ":1:1: 'base' must be the path of one file"));
  CHECK_THAT(load_error(files.write("nested.yaml", "model: {base: a.yaml}\n")), contains("unknown key 'model.base'"));
  CHECK_THAT(load_error(files.path("absent.yaml")), contains("cannot read " + files.path("absent.yaml")));
  CHECK_THAT(load_error(files.write("large.yaml", std::string(size_t(2) << 20, '#'))), contains("larger than the limit"));
}

TEST_CASE("config overrides: values are text, null or lists") {
  const Files files;
  const auto path = files.write("c.yaml", "seed: 1\noutput: x\nmodel: {width: 5, position: {kind: liere, block_size: 8}}\n");
  const RootConfig c = loaded(path, {"seed=2", "seed=3", "model.patch=[2,4]", "model.width=null", "output=a: b #1", "names=[\"x y\", z]",
                                     "data.kind=arrows", "data.grid=11", "model.position.block_size=16", "model.position.share=both"});
  CHECK(c.seed == 3);  // the last wins
  CHECK(c.model.patch == std::vector<int64_t>{2, 4});
  CHECK_FALSE(c.model.width.has_value());
  CHECK(c.output == "a: b #1");
  CHECK(c.names == std::vector<std::string>{"x y", "z"});
  CHECK(std::get<ArrowsConfig>(c.data.dataset).grid == 11);
  CHECK(std::get<LiereConfig>(c.model.position).block_size == 16);
  CHECK(std::get<LiereConfig>(c.model.position).share == Share::kBoth);
  CHECK(loaded(path, {"output=\"\""}).output.empty());
  CHECK(loaded(path, {"output=a=b"}).output == "a=b");
  CHECK(loaded(path, {"ema.decay=0.5"}).ema->decay == 0.5);
}

TEST_CASE("config overrides: a kind drops the other keys but those of the command line") {
  const Files files;
  const auto path = files.write("c.yaml", "model: {position: {kind: liere, block_size: 8, share: both}}\n");
  for (const std::vector<std::string>& overrides : {std::vector<std::string>{"model.position.kind=rope_mixed", "model.position.init_scale=1"},
                                                    std::vector<std::string>{"model.position.init_scale=1", "model.position.kind=rope_mixed"}}) {
    const auto position = std::get<RopeMixedConfig>(loaded(path, overrides).model.position);
    CHECK(position.share == Share::kNone);
    CHECK(position.init_scale == 1);
  }
  CHECK_THAT(load_error(path, {"model.position.kind=rope", "model.position.block_size=8"}),
             Catch::Matchers::StartsWith(
                 "command line 'model.position.block_size=8': 'model.position.block_size' is a key of kind liere"));
}

TEST_CASE("config overrides: errors name the override") {
  const Files files;
  const auto path = files.write("c.yaml", "seed: 1\n");
  const std::vector<std::pair<std::string, std::string>> table = {
      {"seed", "command line 'seed': an override without '='. Write overrides as key=value, such as model.position.block_size=8"},
      {"=3", "an override without a key."},
      {"a..b=3", "a key between two dots is empty."},
      {".a=3", "a key between two dots is empty."},
      {"a.=3", "a key between two dots is empty."},
      {"sede=3", "command line 'sede=3': unknown key 'sede'. Did you mean 'seed'?"},
      {"model.blok=3", "command line 'model.blok=3': unknown key 'model.blok'."},
      {"seed=", "command line 'seed=': 'seed' must be an integer of 0 or more, found nothing."},
      {"seed=010", "command line 'seed=010': 'seed' must be an integer of 0 or more, found '010'."},
      {"seed=\"1\"", "Remove the quotation marks."},
      {"seed.x=1", "command line 'seed.x=1': 'seed' must be an integer of 0 or more, found a map of keys."},
      {"model=3", "command line 'model=3': 'model' must be a map of keys, found '3'."},
      {"model.patch=4", "command line 'model.patch=4': 'model.patch' must be a list, found '4'. Write [4]."},
      {"model.patch=[4", "command line 'model.patch=[4': a key must be a single word, not a list or map. A closing bracket may be missing."},
      {"model.patch=[4,x]", "command line 'model.patch=[4,x]': 'model.patch[1]' must be an integer, found 'x'."},
      {"model.patch.0=4", "'model.patch' must be a list, found a map of keys."},
      {"model={depth: 3}", "command line 'model={depth: 3}': a map is not taken here."},
      {"output=*a", "not valid YAML"},
      {"output=&a b", "anchors (&name)"},
      {"output=!x b", "tags (here"},
      {"output=\x01", "a control character."},
      {"output=\xFF", "invalid UTF-8."},
      {"base=x.yaml", "'base' belongs to a file and cannot be overridden."},
      {"model.position.kind=lier", "command line 'model.position.kind=lier': 'model.position.kind' must be one of"},
  };
  for (const auto& [text, message] : table) {
    CAPTURE(text);
    const std::string error = load_error(path, {text});
    CHECK_THAT(error, contains(message));
    CHECK_THAT(error, Catch::Matchers::StartsWith("command line '"));
  }
}

TEST_CASE("config overrides: their origin is the command line") {
  const Files files;
  const ConfigNode node = load_config(files.write("c.yaml", "seed: 1\n"), {"model.depth=3", "names=[a]"});
  CHECK(node.find("model")->find("depth")->origin.text() == "command line 'model.depth=3'");
  CHECK(node.find("names")->items[0].origin.text() == "command line 'names=[a]'");
  RootConfig config;
  decode(node, config);
  const std::string text = dump_with_origins(config, node);
  const size_t depth = text.find("  depth: 3 ");
  REQUIRE(depth != std::string::npos);
  CHECK(text.substr(depth, text.find('\n', depth) - depth).ends_with("  # command line"));
}

/// Changes the working folder and changes it back.
class WorkingFolder {
 public:
  explicit WorkingFolder(const std::filesystem::path& path) : before_(std::filesystem::current_path()) { std::filesystem::current_path(path); }
  ~WorkingFolder() { std::filesystem::current_path(before_); }

 private:
  std::filesystem::path before_;
};

TEST_CASE("config files: found by path, and by name in ./configs, with or without .yaml") {
  const Files files;
  const auto path = files.write("configs/experiment_one.yaml", "seed: 1\n");
  files.write("configs/base/common.yaml", "seed: 1\n");
  files.write("here.yaml", "seed: 1\n");
  const WorkingFolder working(files.path(""));
  CHECK(find_config(path) == path);
  CHECK(find_config("here") == "here.yaml");
  CHECK(find_config("here.yaml") == "here.yaml");
  CHECK(find_config("experiment_one") == "configs/experiment_one.yaml");
  CHECK(find_config("experiment_one.yaml") == "configs/experiment_one.yaml");
  CHECK(find_config("base/common") == "configs/base/common.yaml");
  const std::string error = error_of([] { find_config("experiment_on.yaml"); });
  CHECK_THAT(error, Catch::Matchers::StartsWith("there is no configuration 'experiment_on.yaml' (looked in ., configs, "));
  CHECK_THAT(error, contains("share/liere/configs"));
  CHECK_THAT(error, Catch::Matchers::EndsWith("Did you mean 'experiment_one.yaml'?"));
  CHECK_THAT(error_of([] { find_config("configs"); }), contains("there is no configuration"));  // a folder
  CHECK_THAT(error_of([] { find_config(""); }), contains("--config NAME"));
}

}  // namespace
}  // namespace liere::test
