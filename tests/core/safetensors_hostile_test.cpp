// Safetensors files that are not what they should be: hostile headers, truncation, bit flips, foreign formats.
#include <cstdio>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/safetensors.h"
#include "core/safetensors_support.h"
#include "support/matchers.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::test;
using safetensors::File;

namespace {

const std::string kEntry = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";

struct Hostile {
  std::string what, content, expected;
};

std::vector<Hostile> hostile_lengths() {
  const std::string json = "{" + kEntry + "}", good = file_of(json, 4);
  return {{"empty", "", "0 bytes"},
          {"one byte", "{", "1 bytes"},
          {"seven bytes", std::string(7, '\0'), "7 bytes"},
          {"length alone", length_bytes(0), "at byte 8"},
          {"length zero", length_bytes(0) + good.substr(8), "at byte 8"},
          {"length one", length_bytes(1) + good.substr(8), "at byte 8"},
          {"length 2^63", length_bytes(uint64_t(1) << 63) + good.substr(8), "16 MiB"},
          {"length 2^64 - 1", length_bytes(~uint64_t(0)) + good.substr(8), "16 MiB"},
          {"length 2^64 - 8", length_bytes(~uint64_t(7)) + good.substr(8), "16 MiB"},
          {"length over the cap", length_bytes((16 << 20) + 1) + good.substr(8), "16 MiB"},
          {"length at the cap, short file", length_bytes(16 << 20) + good.substr(8), "truncated"},
          {"length over the file by one", length_bytes(json.size() + 5) + good.substr(8), "truncated"},
          {"length into the data", length_bytes(json.size() + 4) + good.substr(8), "not valid JSON"},
          {"length short by one", length_bytes(json.size() - 1) + good.substr(8), "not valid JSON"},
          {"big-endian length", std::string(7, '\0') + '\x35' + good.substr(8), "16 MiB"},
          {"one byte of data missing", good.substr(0, good.size() - 1), "truncated"},
          {"one byte too many", good + "x", "behind the last tensor"},
          {"a second file behind", good + good, "behind the last tensor"},
          {"a zip behind", good + "PK\x03\x04" + std::string(40, 'z'), "behind the last tensor"}};
}

std::vector<Hostile> hostile_json() {
  std::vector<Hostile> out = {{"not an object", file_of("[1]"), "must be a JSON object"},
                              {"leading space", file_of(" {}"), "must be a JSON object"},
                              {"leading byte order mark", file_of("\xEF\xBB\xBF{}"), "must be a JSON object"},
                              {"unterminated", file_of("{" + kEntry, 4), "not valid JSON"},
                              {"two objects", file_of("{}{}"), "not valid JSON"},
                              {"text behind", file_of("{}x"), "not valid JSON"},
                              {"trailing comma", file_of("{" + kEntry + ",}", 4), "not valid JSON"},
                              {"comment", file_of("{/* */}"), "not valid JSON"},
                              {"single quotes", file_of("{'a':1}"), "not valid JSON"},
                              {"zero bytes as padding", file_of("{}" + std::string(6, '\0')), "not valid JSON"},
                              {"zero byte in a name", file_of(std::string("{\"\0\":1}", 7)), "not valid JSON"},
                              {"control character in a name", file_of("{\"\x01\":1}"), "not valid JSON"},
                              {"invalid UTF-8 in a name", file_of("{\"\xFF\":{}}"), "not valid JSON"},
                              {"overlong UTF-8", file_of("{\"\xC0\xAF\":{}}"), "not valid JSON"},
                              {"surrogate in UTF-8", file_of("{\"\xED\xA0\x80\":{}}"), "not valid JSON"},
                              {"cut UTF-8", file_of("{\"\xE2\x82\":{}}"), "not valid JSON"},
                              {"lone escaped surrogate", file_of(R"({"\ud800":{}})"), "not valid JSON"},
                              {"NaN", file_of(R"({"a":NaN})"), "not valid JSON"},
                              {"entry is a number", file_of(R"({"a":1})"), "a number"},
                              {"entry is null", file_of(R"({"a":null})"), "null"},
                              {"entry is an array", file_of(R"({"a":[]})"), "an array"},
                              {"entry is a string", file_of(R"({"a":"b"})"), "a string"},
                              {"entry is true", file_of(R"({"a":true})"), "true or false"},
                              {"entry is empty", file_of(R"({"a":{}})"), "missing"},
                              {"deep arrays", file_of("{\"a\":" + std::string(1000000, '[')), "an array"},
                              {"deep objects", file_of("{\"a\":{\"dtype\":{\"x\":{}}}}"), "an object"},
                              {"nested shape", file_of(R"({"a":{"dtype":"U8","shape":[[[[)"), "an array"},
                              {"16 MiB of open brackets", file_of(std::string("{").append((16 << 20) - 1, '[')), "not valid JSON"},
                              {"16 MiB of spaces", file_of(std::string("{").append((16 << 20) - 1, ' ')), "not valid JSON"}};
  return out;
}

std::vector<Hostile> hostile_entries() {
  // {what, entry of one tensor "a", bytes of data, expected}
  const auto one = [](const std::string& what, const std::string& entry, size_t data, const std::string& expected) {
    return Hostile{what, file_of("{\"a\":{" + entry + "}}", data), expected};
  };
  const std::string dtype = R"("dtype":"U8",)", shape = R"("shape":[4],)", offsets = R"("data_offsets":[0,4])";
  return {one("unknown dtype", R"("dtype":"F8_E4M3",)" + shape + offsets, 4, "F8_E4M3"),
          one("dtype in lower case", R"("dtype":"u8",)" + shape + offsets, 4, "'u8'"),
          one("empty dtype", R"("dtype":"",)" + shape + offsets, 4, "''"),
          one("dtype is a number", R"("dtype":1,)" + shape + offsets, 4, "a number"),
          one("dtype is an array", R"("dtype":["U8"],)" + shape + offsets, 4, "an array"),
          one("no dtype", shape + offsets, 4, "missing"),
          one("no shape", dtype + offsets, 4, "missing"),
          one("no offsets", dtype + R"("shape":[4])", 4, "missing"),
          one("shape is a number", dtype + R"("shape":4,)" + offsets, 4, "a number"),
          one("shape is an object", dtype + R"("shape":{},)" + offsets, 4, "an object"),
          one("negative size", dtype + R"("shape":[-4],)" + offsets, 4, "negative"),
          one("negative sizes whose product fits", dtype + R"("shape":[-2,-2],)" + offsets, 4, "negative"),
          one("fraction", dtype + R"("shape":[4.0],)" + offsets, 4, "not an integer"),
          one("exponent", dtype + R"("shape":[4e0],)" + offsets, 4, "not an integer"),
          one("size 2^64", dtype + R"("shape":[18446744073709551616],)" + offsets, 4, "not an integer"),
          one("size 2^63", dtype + R"("shape":[9223372036854775808],)" + offsets, 4, "below 2^63"),
          one("size is a string", dtype + R"("shape":["4"],)" + offsets, 4, "a string"),
          one("size is null", dtype + R"("shape":[null],)" + offsets, 4, "null"),
          one("product overflows to 4", dtype + R"("shape":[4294967296,4294967296,4],)" + offsets, 4, "overflows"),
          one("product overflows, then zero", dtype + R"("shape":[4294967296,4294967296,0],"data_offsets":[0,0])", 0, "overflows"),
          one("product of bytes overflows", R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0])", 0, "overflows"),
          one("offsets too short for the shape", dtype + R"("shape":[5],)" + offsets, 4, "need 5 bytes"),
          one("offsets too long for the shape", dtype + R"("shape":[3],)" + offsets, 4, "need 3 bytes"),
          one("offsets reversed", dtype + shape + R"("data_offsets":[4,0])", 4, "need 4 bytes"),
          one("one offset", dtype + shape + R"("data_offsets":[4])", 4, "two numbers"),
          one("no offset", dtype + shape + R"("data_offsets":[])", 4, "two numbers"),
          one("three offsets", dtype + shape + R"("data_offsets":[0,4,4])", 4, "more than 2"),
          one("negative offset", dtype + shape + R"("data_offsets":[-4,0])", 4, "negative"),
          one("offset 2^63", dtype + shape + R"("data_offsets":[9223372036854775808,9223372036854775812])", 4, "below 2^63"),
          one("offsets beyond the file", dtype + R"("shape":[400],"data_offsets":[0,400])", 4, "truncated"),
          one("hole at the start", dtype + shape + R"("data_offsets":[4,8])", 8, "a hole"),
          one("unknown key", dtype + shape + offsets + R"(,"stride":[1])", 4, "'stride'"),
          one("dtype twice", dtype + dtype + shape + offsets, 4, "twice"),
          one("shape twice", dtype + shape + shape + offsets, 4, "twice"),
          one("offsets twice", dtype + shape + offsets + "," + offsets, 4, "twice")};
}

std::vector<Hostile> hostile_sets() {
  const auto entry = [](const std::string& name, int begin, int end) {
    return "\"" + name + R"(":{"dtype":"U8","shape":[)" + std::to_string(end - begin) + R"(],"data_offsets":[)" + std::to_string(begin) + "," +
           std::to_string(end) + "]}";
  };
  const auto metadata = [](const std::string& value) { return file_of("{\"__metadata__\":" + value + "," + kEntry + "}", 4); };
  return {{"name twice", file_of("{" + entry("a", 0, 4) + "," + entry("a", 4, 8) + "}", 8), "twice"},
          {"name twice, once escaped", file_of("{" + entry("a", 0, 4) + "," + entry("\\u0061", 4, 8) + "}", 8), "twice"},
          {"same bytes", file_of("{" + entry("a", 0, 4) + "," + entry("b", 0, 4) + "}", 4), "overlap"},
          {"overlap by one", file_of("{" + entry("a", 0, 4) + "," + entry("b", 3, 8) + "}", 8), "overlap"},
          {"inside another", file_of("{" + entry("a", 0, 8) + "," + entry("b", 2, 4) + "}", 8), "overlap"},
          {"hole between", file_of("{" + entry("a", 0, 4) + "," + entry("b", 5, 8) + "}", 8), "a hole"},
          {"empty tensor in the hole", file_of("{" + entry("a", 0, 4) + "," + entry("b", 5, 8) + "," + entry("c", 4, 4) + "}", 8), "a hole"},
          {"empty tensor past the end", file_of("{" + entry("a", 0, 4) + "," + entry("b", 9, 9) + "}", 4), "a hole"},
          {"data without tensors", file_of("{}", 1), "behind the last tensor"},
          {"metadata is a string", metadata("\"x\""), "a string"},
          {"metadata is an array", metadata("[]"), "an array"},
          {"metadata value is a number", metadata(R"({"step":1})"), "must be a string"},
          {"metadata value is null", metadata(R"({"step":null})"), "must be a string"},
          {"metadata value is an object", metadata(R"({"step":{}})"), "must be a string"},
          {"metadata value is an array", metadata(R"({"step":[]})"), "must be a string"},
          {"metadata key twice", metadata(R"({"step":"1","step":"2"})"), "twice"},
          {"metadata twice", metadata(R"({},"__metadata__":{})"), "twice"}};
}

// A line of /proc/self/status in KiB: VmRSS now, VmHWM at its highest.
int64_t status_kib(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name + ":")) return std::stoll(line.substr(name.size() + 1));
  return 0;
}

bool forget_peak_memory() {
  std::ofstream out("/proc/self/clear_refs");
  out << 5 << std::flush;
  return out.good();
}

}  // namespace

TEST_CASE("hostile safetensors headers are refused at once, with the reason") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "hostile.safetensors";
  std::vector<Hostile> cases = hostile_lengths();
  for (const auto& more : {hostile_json(), hostile_entries(), hostile_sets()}) cases.insert(cases.end(), more.begin(), more.end());
  REQUIRE(cases.size() >= 60);
  const bool memory_measured = forget_peak_memory();
  if (!memory_measured) std::printf("skipped: this system does not reset a process's peak memory; that of refused files is not measured\n");
  for (const Hostile& hostile : cases) {
    put(path, hostile.content);
    forget_peak_memory();
    const int64_t before = status_kib("VmRSS");
    const std::clock_t start = std::clock();  // processor time: what else runs does not count
    const std::string message = refusal(path);
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    INFO(hostile.what << ": " << message);
    CHECK_THAT(message, has(hostile.expected) && has(path.string()));
    CHECK(message.size() < 600);
    CHECK(seconds < 0.1);
    if (memory_measured) CHECK(status_kib("VmHWM") - before < 64 * 1024);
  }
}

TEST_CASE("a safetensors file cut at any length is refused") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "cut.safetensors";
  safetensors::write(path, small_tensors(), {{"step", "12"}});
  const std::string whole = get(path);
  for (size_t length = 0; length < whole.size(); ++length) {
    put(path, whole.substr(0, length));
    INFO(length << " of " << whole.size() << " bytes");
    REQUIRE_FALSE(refusal(path).empty());
  }
  put(path, whole);
  CHECK(refusal(path).empty());
}

TEST_CASE("any flipped bit of a safetensors header fails or leaves a sound structure") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "flipped.safetensors";
  safetensors::write(path, small_tensors(), {{"step", "12"}});
  const std::string whole = get(path);
  const size_t header_size = File::open(path).header_bytes().size();
  size_t refused = 0, accepted = 0;
  const auto overwrite = [&path](size_t at, char byte) { std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(at).put(byte); };
  for (size_t bit = 0; bit < header_size * 8; ++bit) {
    const size_t at = bit / 8;
    overwrite(at, static_cast<char>(whole[at] ^ (1 << bit % 8)));
    const std::string message = refusal(path);
    std::string header = whole.substr(8, header_size - 8);
    if (at >= 8) header[at - 8] = get(path)[at];
    // The JSON library is the judge of what is JSON: nothing it refuses is accepted, nothing it accepts is called invalid.
    if (at >= 8 && header[0] == '{' && header.find('\0') == std::string::npos) {  // it takes a zero byte for the end
      const bool json = nlohmann::json::accept(header);
      if (message.empty()) REQUIRE(json);
      if (message.find("not valid JSON") != std::string::npos) REQUIRE_FALSE(json);
    }
    if (message.empty()) {
      check_structure(File::open(path), whole.size());
      ++accepted;
    } else {
      ++refused;
    }
    overwrite(at, whole[at]);
  }
  CHECK(refused > accepted);
  CHECK(accepted > 0);  // a changed letter of a name or of metadata: only a digest can tell
}

TEST_CASE("pickles and archives are refused by their first bytes, with the remedy") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "model.pt";
  const std::string tail(600, '\0');
  std::string tar = "model/data.pkl" + tail;
  tar.replace(257, 5, "ustar");
  const std::vector<std::string> files = {"PK\x03\x04" + tail,
                                          "PK\x05\x06" + std::string(18, '\0'),
                                          "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + tail,
                                          "\x80\x02}q\x01.",
                                          "\x80\x04\x95\x0a" + tail,
                                          "cos\nsystem\n(S'true'\ntR.",
                                          "(dp0\n.",
                                          tar,
                                          "\x89HDF\r\n\x1a\n" + tail,
                                          "\x93NUMPY\x01" + tail,
                                          "\x1F\x8B\x08" + tail};
  for (const std::string& content : files) {
    put(path, content);
    CHECK_THAT(refusal(path), has("convert it to safetensors") && has(path.string()));
  }
  // 640 = 0x0280: a header length that begins like a pickle of protocol 2 is still a header length.
  put(path, file_of("{}" + std::string(638, ' ')));
  CHECK(refusal(path).empty());
}
