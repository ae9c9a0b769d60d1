// Decoding, printing and identity of configurations; errors are in config_errors_test.cpp, files and overrides in config_load_test.cpp.
#include <cmath>

#include "core/config_fixture.h"

namespace liere::test {
namespace {

TEST_CASE("config: an empty text keeps every default") {
  for (const auto* text : {"", "\n\n", "# only a comment\n", "---\n", "{}", "\xEF\xBB\xBF", "--- {}\n...\n"}) {
    CAPTURE(text);
    CHECK(dump(decoded(text)) == dump(RootConfig{}));
  }
}

TEST_CASE("config: every type is read") {
  const RootConfig c = decoded(R"(
seed: 18446744073709551615
output: "a \"b\" \u00e9"
model:
  preset: custom
  input_size: [8, 64, 64]
  patch:
    - 2
    - 4
    - 8
  width: 96
  depth: null
  heads: ~
  dropout: 2.5e-1
  pool: 'mean'
  qkv_bias: true
data: {kind: cifar10, fraction: .5, drop_last: true}
ema: {}
tests: [{name: shuffle}, {views: 5}]
rates: [1, 1., 1e3, 1E-3, +0.5]
names: [010, yes, "null", 'it''s']
log: {every: 1, color: false}
)");
  CHECK(c.seed == 18446744073709551615u);
  CHECK(c.output == "a \"b\" \xC3\xA9");
  CHECK(c.model.preset == Preset::kCustom);
  CHECK(c.model.input_size == std::vector<int64_t>{8, 64, 64});
  CHECK(c.model.patch == std::vector<int64_t>{2, 4, 8});
  CHECK(c.model.width == 96);
  CHECK_FALSE(c.model.depth.has_value());
  CHECK_FALSE(c.model.heads.has_value());
  CHECK(c.model.dropout == 0.25);
  CHECK(c.model.pool == Pool::kMean);
  CHECK(c.model.qkv_bias);
  CHECK(std::get<Cifar10Config>(c.data.dataset).classes == 10);
  CHECK(c.data.fraction == 0.5);
  CHECK(c.data.drop_last);
  REQUIRE(c.ema.has_value());
  CHECK(c.ema->decay == 0.999);
  REQUIRE(c.tests.size() == 2);
  CHECK(c.tests[0].name == "shuffle");
  CHECK(c.tests[1].name == "accuracy");
  CHECK(c.tests[1].views == 5);
  CHECK(c.rates == std::vector<double>{1, 1, 1000, 0.001, 0.5});
  CHECK(c.names == std::vector<std::string>{"010", "yes", "null", "it's"});
  CHECK(c.log.color == false);
}

TEST_CASE("config: BOM and Windows line ends are accepted and shift no position") {
  const RootConfig c = decoded("\xEF\xBB\xBFseed: 7\r\nmodel:\r\n  width: null\r\n  dropout: 0.5\r\n");
  CHECK(c.seed == 7);
  CHECK(c.model.dropout == 0.5);
  CHECK_THAT(error_of([] { decoded("\xEF\xBB\xBFseed: !x 7"); }), Catch::StartsWith("t.yaml:1:7: tags"));
  CHECK_THAT(error_of([] { decoded("\xEF\xBB\xBFseed: 7\r\nmodel: {depth: x}\r\n"); }), Catch::StartsWith("t.yaml:2:16: "));
}

TEST_CASE("config: an optional is absent only when null is written") {
  for (const auto* text :
       {"model: {width: null}", "model: {width: ~}", "model: {width: null }", "model:\n  width: null # none\n", "model:\n  width: ~\n"}) {
    CAPTURE(text);
    RootConfig c;
    c.model.width = 5;
    decode(parse_config(text, "t.yaml"), c);
    CHECK_FALSE(c.model.width.has_value());
  }
  RootConfig c;
  c.ema.emplace();
  decode(parse_config("ema: null", "t.yaml"), c);
  CHECK_FALSE(c.ema.has_value());
}

TEST_CASE("config: a kind chooses the alternative, its absence keeps the default's") {
  CHECK(std::get<LiereConfig>(decoded("model: {position: {block_size: 8}}").model.position).block_size == 8);
  CHECK(std::get<LiereConfig>(decoded("model: {position: {block_size: 8, kind: liere}}").model.position).block_size == 8);
  CHECK(std::get<RopeConfig>(decoded("model: {position: {kind: rope, base: 100}}").model.position).base == 100);
  CHECK(std::holds_alternative<NoPositionConfig>(decoded("model: {position: {kind: none}}").model.position));
  CHECK(std::get<RopeConfig>(decoded("ema: {position: {base: 5}}").ema->position).base == 5);
  CHECK(std::holds_alternative<LiereConfig>(decoded("model: {position: {}}").model.position));
}

TEST_CASE("config: a flattened variant shares its map with common keys") {
  const DataSection data = decoded("data: {fraction: 0.5, kind: cifar100, root: x}").data;
  CHECK(std::get<Cifar100Config>(data.dataset).root == "x");
  CHECK(data.fraction == 0.5);
  const DataSection arrows = decoded("data: {kind: arrows, seed: 3, drop_last: true}").data;
  CHECK(std::get<ArrowsConfig>(arrows.dataset).seed == 3);
  CHECK(arrows.drop_last);
  CHECK(std::holds_alternative<Cifar100Config>(decoded("data: {fraction: 0.5}").data.dataset));
}

RootConfig rich_config() {
  return decoded(R"(
seed: 12
output: "runs/a b #1: \"x\"\\\n\t\u00e9"
model: {preset: custom, patch: [], width: 7, dropout: 0.1, norm_eps: 1e-300, position: {kind: rope_mixed, init_scale: 0.30000000000000004}}
data: {kind: arrows, seed: 18446744073709551615, letters: "null"}
ema: {decay: 0.9999, position: {kind: none}}
tests: [{name: "true", views: 3}, {name: "007"}]
rates: [1e22, 123456789.123456789, 2.2250738585072014e-308]
names: ["", "- a", "null", "~", "yes", "3", "a: b", "é", "x y", "[", "{", "&a", "*a", "!a", "%", "@", "`", "-", "?", "---"]
log: {color: true}
reproduces: {table: "2", text: 71.5 +- 0.3, "odd key: x": [a, [1, 2], {}, [], ~], nested: {yes: no, t: true}}
)");
}

TEST_CASE("config: what is dumped decodes to an equal configuration") {
  for (const RootConfig& config : {RootConfig{}, rich_config()}) {
    const std::string text = dump(config);
    CAPTURE(text);
    const RootConfig again = decoded(text);
    CHECK(dump(again) == text);
    CHECK(identity_lines(again) == identity_lines(config));
    CHECK(again.seed == config.seed);
    CHECK(again.output == config.output);
    CHECK(again.model.norm_eps == config.model.norm_eps);
    CHECK(again.model.patch == config.model.patch);
    CHECK(again.model.position.index() == config.model.position.index());
    CHECK(again.data.dataset.index() == config.data.dataset.index());
    CHECK(again.ema.has_value() == config.ema.has_value());
    CHECK(again.rates == config.rates);
    CHECK(again.names == config.names);
    CHECK(again.log.color == config.log.color);
    CHECK(again.tests.size() == config.tests.size());
  }
  const RootConfig again = decoded(dump(rich_config()));
  CHECK(std::get<RopeMixedConfig>(again.model.position).init_scale == 0.30000000000000004);
  CHECK(std::get<ArrowsConfig>(again.data.dataset).letters == "null");
  CHECK(again.tests.at(1).name == "007");
  CHECK(again.reproduces.find("text")->scalar == "71.5 +- 0.3");
  CHECK(again.reproduces.find("odd key: x")->items.size() == 5);
}

TEST_CASE("config: doubles are dumped with the shortest text that reads back exactly") {
  CHECK(scalar_text(0.1) == "0.1");
  CHECK(scalar_text(10000.0) == "10000");
  CHECK(scalar_text(1e-5) == "1e-05");
  CHECK(scalar_text(6.283185307179586) == "6.283185307179586");
  double value = 1.0;
  for (int i = 0; i < 300; ++i) {
    value = std::nextafter(value * (i % 2 ? 7.3e-3 : 91.7), 1e300);
    CHECK(decoded("rates: [" + scalar_text(value) + "]").rates.at(0) == value);
  }
}

TEST_CASE("config: the origin of every value is printed") {
  const std::string yaml =
      "seed: 5\nmodel:\n  position:\n    kind: rope\n    base: 100\ndata:\n  root: x\ntests:\n  - {views: 2}\nlog: {color: null}\nreproduces: {a: "
      "1}\n";
  const ConfigNode node = parse_config(yaml, "t.yaml");
  RootConfig config;
  decode(node, config);
  const std::string text = dump_with_origins(config, node);
  const auto line = [&](const std::string& start) {
    const size_t at = text.find("\n" + start);
    INFO(start);
    REQUIRE(at != std::string::npos);
    return text.substr(text.find("  # ", at) + 4, text.find('\n', at + 1) - text.find("  # ", at) - 4);
  };
  CHECK(text.starts_with("seed: 5 "));
  CHECK(text.substr(0, text.find('\n')).ends_with("  # t.yaml:1:7"));
  CHECK(line("output:") == "default");
  CHECK(line("    kind: rope ") == "t.yaml:4:11");
  CHECK(line("    base: 100 ") == "t.yaml:5:11");
  CHECK(line("    absolute:") == "default");
  CHECK(line("  kind: cifar100") == "default");
  CHECK(line("  root: x ") == "t.yaml:7:9");
  CHECK(line("    views: 2 ") == "t.yaml:9:13");
  CHECK(line("    name: ") == "default");
  CHECK(line("  color: null") == "t.yaml:10:14");
  CHECK(line("  a: 1") == "t.yaml:11:17");
  CHECK(dump(decoded(text)) == dump(config));  // still YAML
}

TEST_CASE("config: identity lines name what differs from the defaults and belongs to the identity") {
  CHECK(identity_lines(RootConfig{}).empty());
  CHECK(identity_lines(decoded("seed: 0\nmodel: {dropout: 0.10, patch: [4, 4], position: {kind: liere, block_size: 64}}\nrates: [1e-1, 0.01]"))
            .empty());
  CHECK(identity_lines(decoded("output: elsewhere\nlog: {every: 3, color: true}\ndata: {root: z}\nreproduces: {a: 1}")).empty());
  CHECK(identity_lines(decoded(
            "seed: 3\nmodel: {position: {kind: rope, base: 10000, absolute: true}, width: 5}\ndata: {kind: cifar10, root: q, fraction: 0.5}")) ==
        std::vector<std::string>{"data.fraction=0.5", "data.kind=cifar10", "model.position.absolute=true", "model.position.kind=rope",
                                 "model.width=5", "seed=3"});
  CHECK(identity_lines(decoded("ema: {}")) == std::vector<std::string>{"ema=given"});
  CHECK(identity_lines(decoded("ema: {decay: 0.5, position: {base: 7}}")) ==
        std::vector<std::string>{"ema.decay=0.5", "ema.position.base=7", "ema=given"});
  CHECK(identity_lines(decoded("tests: [{}, {views: 2}]")) == std::vector<std::string>{"tests=2 items", "tests[1].views=2"});
  CHECK(identity_lines(decoded("names: [\"a=b\"]\noutput: x")) == std::vector<std::string>{"names=[\"a=b\"]"});
}

TEST_CASE("config: the identity hash is XXH3-128 of the lines") {
  // xxh128sum of no bytes, and of "seed=3\n".
  CHECK(identity_hash({}) == "99aa06d3014798d86001c324468d497f");
  CHECK(identity_hash({"seed=3"}) == "1deeff9012397d10f4314cd543c1f2f7");
  CHECK(identity_hash({"a", "b"}) != identity_hash({"a\nb", ""}));
  CHECK(identity_hash(identity_lines(decoded("seed: 3\noutput: x"))) == identity_hash({"seed=3"}));
}

TEST_CASE("config: comparing identities lists the paths that differ") {
  CHECK(compare_identity({}, {}).empty());
  CHECK(compare_identity({"a=1", "b=x=y"}, {"b=x=y", "a=1"}).empty());
  CHECK(compare_identity({"a=1", "b=2"}, {"b=3", "c=\"=\""}) ==
        std::vector<std::string>{"a: here 1, there its default", "b: here 2, there 3", "c: here its default, there \"=\""});
}

TEST_CASE("config: the documentation holds every key with type, default and range") {
  const std::string text = document(RootConfig{});
  for (const auto* key :
       {"seed",      "output",    "preset",     "input_size", "patch",        "channels",   "width",         "depth",      "heads",
        "mlp",       "dropout",   "pool",       "norm_eps",   "qkv_bias",     "block_size", "share",         "init_scale", "absolute",
        "positions", "base",      "root",       "grid",       "cell",         "arrows",     "letters",       "train_size", "test_size",
        "fraction",  "drop_last", "operations", "magnitude",  "crop_padding", "flip",       "normalization", "resize",     "decay",
        "name",      "views",     "rates",      "names",      "every",        "color",      "reproduces",    "kind"})
    CHECK_THAT(text, Catch::Contains("| `" + std::string(key) + "` |"));
  for (const auto* heading : {"\n## `model`\n", "\n### `model.position`\n", "\n#### `model.position`, kind `liere`\n",
                              "\n#### `model.position`, kind `none`\n\nNo further keys.\n", "\n## `data`\n", "\n### `data`, kind `arrows`\n",
                              "\n### `augment.rand_augment`\n", "\n## `ema`\n", "\n#### `ema.position`, kind `rope`\n", "\n## `tests`\n"})
    CHECK_THAT(text, Catch::Contains(heading));
  CHECK_THAT(text, Catch::Contains("| `dropout` | number, in [0, 1) | `0.1` | probability"));
  CHECK_THAT(text, Catch::Contains("| `width` | integer, at least 1, or null | `null` |"));
  CHECK_THAT(text, Catch::Contains("| `share` | none, layers, heads, both | `none` |"));
  CHECK_THAT(text, Catch::Contains("| `output` | text | `runs` | run folder (not part of the identity) |"));
}

struct Clash {
  DatasetConfig dataset = ArrowsConfig{};
  int64_t seed = 0;
};
template <class V>
void fields(V& v, Clash& c) {
  v.flatten(c.dataset);
  v("seed", c.seed, "the name of a key of arrows");
}

TEST_CASE("config: two fields of one name are a programming error") {
  Clash clash;
  CHECK_THROWS_AS(decode(parse_config("{}", "t.yaml"), clash), std::logic_error);
}

TEST_CASE("config: the nearest name is one that could be meant") {
  const std::vector<std::string_view> names = {"block_size", "share", "seed", "liere"};
  CHECK(nearest_name("blok_size", names) == "block_size");
  CHECK(nearest_name("sede", names) == "seed");
  CHECK(nearest_name("Seed", names) == "seed");
  CHECK(nearest_name("x", names).empty());
  CHECK(nearest_name("transformer", names).empty());
  CHECK(nearest_name("", names).empty());
}

}  // namespace
}  // namespace liere::test
