// Every way a configuration can be wrong, with the place and the words of its message.
#include <ctime>

#include "core/config_fixture.h"

namespace liere::test {
namespace {

struct BadInput {
  std::string yaml, where, message;  // where: "line:column"
};

void check(const std::vector<BadInput>& table) {
  for (const auto& [yaml, where, message] : table) {
    CAPTURE(yaml);
    const std::string error = error_of([&] { decoded(yaml); });
    CHECK_THAT(error, Catch::Matchers::StartsWith("t.yaml:" + where + ": "));
    CHECK_THAT(error, contains(message));
  }
}

TEST_CASE("config errors: integers") {
  check({
      {"seed: 010", "1:7", "'seed' must be an integer of 0 or more, found '010'. Numbers are decimal and have no leading zeros"},
      {"seed: 010", "1:7", "write 10."},
      {"seed: 00", "1:7", "write 0."},
      {"seed: 1_000", "1:7", "Write digits only: 1000."},
      {"seed: 1,000", "1:7", "Write digits only: 1000."},
      {"seed: 1e3", "1:7", "must be an integer of 0 or more, found '1e3'"},
      {"seed: 1.0", "1:7", "found '1.0'. Write decimal digits only, without point or exponent."},
      {"seed: 0x10", "1:7", "found '0x10'"},
      {"seed: 0o10", "1:7", "found '0o10'"},
      {"seed: 0b1", "1:7", "found '0b1'"},
      {"seed: 190:20:30", "1:7", "found '190:20:30'"},
      {"seed: -1", "1:7", "must be an integer of 0 or more, found '-1'"},
      {"seed: --1", "1:7", "found '--1'"},
      {"seed: 5 5", "1:7", "found '5 5'"},
      {"seed: five", "1:7", "found 'five'"},
      {"seed: true", "1:7", "found 'true'"},
      {"seed: \"5\"", "1:7", "found the quoted text \"5\". Remove the quotation marks."},
      {"seed: '5'", "1:7", "Remove the quotation marks."},
      {"seed: |\n  5\n", "1:7", "Remove the quotation marks."},
      {"seed: 18446744073709551616", "1:7", "It does not fit in 64 bits: the greatest is 18446744073709551615."},
      {"model:\n  channels: 9223372036854775808", "2:13", "the greatest is 9223372036854775807."},
      {"model:\n  channels: -9223372036854775809", "2:13", "the least is -9223372036854775808."},
      {"seed: [5]", "1:7", "found a list"},
      {"seed: {a: 5}", "1:7", "found a map of keys"},
      {"seed:", "1:1", "'seed' must be an integer of 0 or more, found nothing. Give a value, or remove the key to keep its default."},
      {"seed:\noutput: x", "1:1", "found nothing"},
      {"seed: null", "1:7", "found null"},
      {"seed: ~", "1:7", "found null"},
  });
}

TEST_CASE("config errors: numbers") {
  check({
      {"rates: [.nan]", "1:9", "'rates[0]' must be a finite number, found '.nan'"},
      {"rates: [nan]", "1:9", "must be a finite number"},
      {"rates: [.inf]", "1:9", "must be a finite number"},
      {"rates: [0.1, -inf]", "1:14", "'rates[1]' must be a finite number"},
      {"rates: [1e999]", "1:9", "outside the range of a 64-bit floating-point number"},
      {"rates: [1e-999]", "1:9", "outside the range of a 64-bit floating-point number"},
      {"rates: [1.5x]", "1:9", "Write it in decimal (0.001) or scientific (1e-3) form."},
      {"rates: [1.5 2]", "1:9", "found '1.5 2'"},
      {"rates: [1e]", "1:9", "found '1e'"},
      {"rates: [.]", "1:9", "found '.'"},
      {"rates: [0x1p3]", "1:9", "found '0x1p3'"},
      {"rates: [1_0.5]", "1:9", "found '1_0.5'"},
      {"rates: ['0.5']", "1:9", "Remove the quotation marks."},
      {"model: {dropout: 01}", "1:18", "no leading zeros"},
      {"model: {dropout: yes}", "1:18", "must be a finite number, found 'yes'"},
      {"model: {dropout: }", "1:9", "found nothing"},
  });
}

TEST_CASE("config errors: ranges") {
  check({
      {"model: {dropout: 1}", "1:18", "'model.dropout' must be in [0, 1), found '1'."},
      {"model: {dropout: -0.1}", "1:18", "must be in [0, 1), found '-0.1'."},
      {"model: {channels: 0}", "1:19", "'model.channels' must be in [1, 64], found '0'."},
      {"model: {channels: 65}", "1:19", "must be in [1, 64], found '65'."},
      {"model: {norm_eps: 0}", "1:19", "'model.norm_eps' must be greater than 0, found '0'."},
      {"model: {norm_eps: -0.0}", "1:19", "must be greater than 0"},
      {"model: {depth: 0}", "1:16", "'model.depth' must be at least 1, found '0'."},
      {"model: {patch: [4, 0]}", "1:20", "'model.patch[1]' must be at least 1, found '0'."},
      {"data: {fraction: 0}", "1:18", "'data.fraction' must be in (0, 1], found '0'."},
      {"rates: [0.1, 0]", "1:14", "'rates[1]' must be greater than 0"},
      {"tests: [{views: 0}]", "1:17", "'tests[0].views' must be at least 1"},
  });
}

TEST_CASE("config errors: booleans, names, text, lists, maps") {
  check({
      {"data: {drop_last: yes}", "1:19", "'data.drop_last' must be true or false, found 'yes'."},
      {"data: {drop_last: no}", "1:19", "must be true or false, found 'no'."},
      {"data: {drop_last: on}", "1:19", "must be true or false"},
      {"data: {drop_last: off}", "1:19", "must be true or false"},
      {"data: {drop_last: True}", "1:19", "must be true or false"},
      {"data: {drop_last: 1}", "1:19", "must be true or false"},
      {"data: {drop_last: \"true\"}", "1:19", "Remove the quotation marks."},
      {"model: {pool: mena}", "1:15", "'model.pool' must be one of cls, mean, found 'mena'. Did you mean 'mean'?"},
      {"model: {pool: Cls}", "1:15", "Did you mean 'cls'?"},
      {"model: {pool: [cls]}", "1:15", "must be one of cls, mean, found a list."},
      {"model: {pool: null}", "1:15", "must be one of cls, mean, found null."},
      {"output: [a]", "1:9", "'output' must be text, found a list."},
      {"output:", "1:1", "'output' must be text, found nothing. Give a value (\"\" for an empty text)"},
      {"output: null", "1:9", "must be text, found null."},
      {"model: {patch: 4}", "1:16", "'model.patch' must be a list, found '4'. Write [4]."},
      {"model: {patch: {a: 4}}", "1:16", "must be a list, found a map of keys."},
      {"model: {patch: }", "1:9", "must be a list, found nothing."},
      {"model: {patch: [4, [4]]}", "1:20", "'model.patch[1]' must be an integer, found a list."},
      {"model: {patch: [4, null]}", "1:20", "'model.patch[1]' must be an integer, found null."},
      {"names: abc", "1:8", "Write [abc]."},
      {"names: [a, ~]", "1:12", "'names[1]' must be text"},
      {"model: vit", "1:8", "'model' must be a map of keys, found 'vit'. Write 'key: value' lines"},
      {"model: [a]", "1:8", "'model' must be a map of keys, found a list."},
      {"model:", "1:1", "'model' must be a map of keys, found nothing. Give its keys on indented lines below"},
      {"model: null", "1:8", "must be a map of keys, found null."},
      {"model:\n  width:\n  depth: 3", "2:3", "'model.width' must be an integer, found nothing."},
      {"model:\n  width:\n  null: 3", "3:3", "a key is missing or null"},
      {"model: {width: NULL}", "1:16", "'model.width' must be an integer, found null."},
      {"tests: {name: a}", "1:8", "'tests' must be a list"},
      {"tests: [a]", "1:9", "'tests[0]' must be a map of keys"},
      {"ema: true", "1:6", "'ema' must be a map of keys"},
  });
}

TEST_CASE("config errors: unknown keys and kinds") {
  check({
      {"sede: 1", "1:1", "unknown key 'sede'. Did you mean 'seed'? Known keys: seed, output, model, data, "},
      {"qqqqqqqqq: 1", "1:1", "unknown key 'qqqqqqqqq'. Known keys: seed, "},
      {"seed: 1\nmodel:\n  blok: 2", "3:3", "unknown key 'model.blok'."},
      {"model:\n  position:\n    blok_size: 8", "3:5",
       "unknown key 'model.position.blok_size'. Did you mean 'block_size'? Known keys: kind, block_size, share,"},
      {"model: {position: {kind: lier}}", "1:26",
       ", found 'lier'. Did you mean 'liere'?"},
      {"model: {position: {kind: transformer}}", "1:26", "found 'transformer'."},
      {"model: {position: {kind: }}", "1:20", "'model.position.kind' must be one of liere"},
      {"model: {position: liere}", "1:19", "'model.position' must be a map of keys, found 'liere'."},
      {"model:\n  position:\n    kind: rope\n    block_size: 8", "4:5",
       ", but the kind here is rope. Known keys: kind, absolute, base."},
      {"model: {position: {kind: rope, block_size: 8}}", "1:32", "'model.position.block_size' is a key of kind liere"},
      {"model: {position: {kind: none, share: none}}", "1:32", ", but the kind here is none. Known keys: kind."},
      {"model: {position: {base: 10}}", "1:20", "is a key of kind rope, but the kind here is liere."},
      {"data: {kind: cifar100, rot: x}", "1:24", "unknown key 'data.rot'. Did you mean 'root'? Known keys: kind, root, fraction, drop_last."},
      {"data: {kind: cifar10, grid: 9}", "1:23", "'data.grid' is a key of kind arrows, but the kind here is cifar10."},
      {"data: {kind: cifar10, dataset: {}}", "1:23", "unknown key 'data.dataset'."},
      {"data: {kind: cifar}", "1:14", "'data.kind' must be one of cifar100, cifar10, "},
      {"tests:\n  - {name: a}\n  - {nam: b}", "3:6", "unknown key 'tests[1].nam'. Did you mean 'name'?"},
      {"ema: {decai: 1}", "1:7", "unknown key 'ema.decai'. Did you mean 'decay'?"},
      {"model: {position: {kind: [liere]}}", "1:26", "found a list."},
  });
}

TEST_CASE("config errors: YAML that is refused") {
  check({
      {"seed: 1\nseed: 2", "2:1", "duplicate key 'seed', first given at line 1."},
      {"model:\n  depth: 1\n  depth: 1", "3:3", "duplicate key 'depth', first given at line 2."},
      {"model: {depth: 1, \"depth\": 2}", "1:19", "duplicate key 'depth'"},
      {"seed: &a 1", "1:7", "anchors (&name) and aliases (*name) are not allowed"},
      {"model: &m\n  depth: 1", "1:8", "anchors (&name)"},
      {"output: &a x\nnames: [*a]", "1:9", "anchors (&name)"},
      {"seed: &a", "1:7", "anchors (&name)"},
      {"&a seed: 1", "1:1", "anchors (&name)"},
      {"names: [*a]", "1:9", "not valid YAML"},
      {"seed: !!int 1", "1:7", "tags (here"},
      {"seed: !int 1", "1:7", "tags (here '!int') are not allowed"},
      {"output: ! x", "1:9", "tags (here '!') are not allowed"},
      {"model: !m {depth: 1}", "1:8", "tags (here '!m')"},
      {"model: !!map\n  depth: 1", "1:8", "tags (here"},
      {"names: !!seq [a]", "1:8", "tags (here"},
      {"seed: 1\n---\nseed: 2", "2:1", "a second document or stray text begins here"},
      {"seed: 1\n...\nseed: 2", "3:1", "a second document or stray text begins here"},
      {"{seed: 1}\n{seed: 2}", "2:1", "a second document or stray text begins here"},
      {"%YAML 1.2\n---\nseed: 1", "1:1", "directives (%...) are not allowed"},
      {"seed: 1\n%TAG ! x\n", "2:1", "directives (%...) are not allowed"},
      {"- seed", "1:1", "expected 'key: value' lines at the top, found a list."},
      {"seed", "1:1", "expected 'key: value' lines at the top, found a single value."},
      {"seed: 1\n\tmodel: 2", "2:1", "a tab in the indentation. Indent with spaces."},
      {"model:\n  \tdepth: 2", "2:3", "a tab in the indentation."},
      {"seed: 1\rmodel: 2", "1:8", "a carriage return without line feed"},
      {std::string("seed: 1\0", 8), "1:8", "a NUL byte: this is not a text file."},
      {"output: \"a\\0b\"", "1:9", "the text holds a NUL character."},
      {"output: \x01", "1:9", "a control character."},
      {"output: \xC3(", "1:9", "invalid UTF-8."},
      {"output: \xC0\xAF", "1:9", "invalid UTF-8."},
      {"output: \xED\xA0\x80", "1:9", "invalid UTF-8."},
      {"output: \xF4\x90\x80\x80", "1:9", "invalid UTF-8."},
      {"output: \xE2\x82", "1:9", "invalid UTF-8."},
      {"\xFF\xFEs\0", "1:1", "invalid UTF-8."},
      {"seed: [1", "1:7", "not valid YAML"},
      {"model: {depth: 1", "1:8", "not valid YAML"},
      {"output: \"abc", "1:13", "not valid YAML"},
      {"output: a: b", "1:10", "not valid YAML"},
      {"model:\n  depth: 1\n heads: 2", "3:2", "not valid YAML"},
      {": 1", "1:1", "a key is missing or null"},
      {"null: 1", "1:1", "a key is missing or null"},
      {"\"\": 1", "1:1", "a key is missing or null"},
      {"[a]: 1", "1:1", "a key must be a single word, not a list or map."},
      {"? {a: b}\n: 1", "1:3", "a key must be a single word, not a list or map."},
      {"<<: {seed: 1}", "1:1", "unknown key '<<'."},
  });
}

std::string nested_maps(int depth) {
  std::string yaml;
  for (int i = 0; i < depth; ++i) yaml += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  return yaml + std::string(static_cast<size_t>(depth), ' ') + "b: 1\n";
}

/// The message for `yaml`, which must be refused within half a second of processor time.
std::string quick_error(const std::string& yaml) {
  const std::clock_t start = std::clock();
  const std::string error = error_of([&] { decoded(yaml); });
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < 0.5);
  return error;
}

TEST_CASE("config errors: depth and size are bounded") {
  CHECK(quick_error(nested_maps(50)) == "t.yaml:33:33: nested more than 32 levels deep.");
  CHECK_THAT(error_of([] { decoded("reproduces:\n" + nested_maps(31)); }),
             contains("t.yaml"));  // not indented below reproduces: an unknown key
  CHECK_NOTHROW(parse_config(nested_maps(31), "t.yaml"));
  CHECK(quick_error("reproduces: " + std::string(40, '[') + std::string(40, ']')) == "t.yaml:1:44: nested more than 32 levels deep.");
  CHECK_THAT(quick_error("reproduces: " + std::string(10000, '[')), Catch::Matchers::StartsWith("t.yaml:1:"));
  CHECK_THAT(quick_error("reproduces: " + std::string(200000, '[')), Catch::Matchers::StartsWith("t.yaml:1:"));
  CHECK_THAT(quick_error("reproduces: " + std::string(200000, '{')), Catch::Matchers::StartsWith("t.yaml:1:"));
  std::string dashes = "reproduces:\n";
  for (int i = 0; i < 100000; ++i) dashes += "- ";
  CHECK_THAT(quick_error(dashes), contains("nested more than 32 levels deep."));
  std::string keys = "reproduces:\n";
  for (int i = 0; i < 60000; ++i) keys += " k" + std::to_string(i) + ": 1\n";
  CHECK_THAT(quick_error(keys), contains("more than 5000 values; this is not a configuration."));
  CHECK(quick_error("output: " + std::string(size_t(2) << 20, 'x')) == "t.yaml: larger than 1 MiB; this is not a configuration.");
  CHECK_THAT(quick_error("a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"), Catch::Matchers::StartsWith("t.yaml:1:4: anchors"));
}

TEST_CASE("config errors: long values are cut short in messages") {
  const std::string error = error_of([] { decoded("seed: " + std::string(100000, 'x')); });
  CHECK(error.size() < 300);
  CHECK_THAT(error, contains("xxx...'"));
}

}  // namespace
}  // namespace liere::test
