// Event records: checksums against published vectors, every field through a decoder of its own.
#include "core/tensorboard.h"

#include "support/catch.h"
#include "support/event_file.h"

using namespace liere;

TEST_CASE("crc32c meets the vectors of RFC 3720, B.4", "[tensorboard]") {
  CHECK(tensorboard::crc32c("") == 0);
  CHECK(tensorboard::crc32c("123456789") == 0xe3069283);
  CHECK(tensorboard::crc32c(std::string(32, '\0')) == 0x8a9136aa);
  CHECK(tensorboard::crc32c(std::string(32, '\xff')) == 0x62a8ab43);
  std::string ascending;
  for (int i = 0; i < 32; ++i) ascending += static_cast<char>(i);
  CHECK(tensorboard::crc32c(ascending) == 0x46dd794e);
}

TEST_CASE("a record is length, masked checksum, payload, masked checksum", "[tensorboard]") {
  // The masked checksums of an empty record: of eight zero bytes and of nothing, computed with the bitwise form.
  const std::string record = tensorboard::framed("");
  REQUIRE(record.size() == 16);
  CHECK(record.substr(0, 8) == std::string(8, '\0'));
  CHECK(record.substr(12) == std::string("\xd8\xea\x82\xa2"));
  CHECK(test::decode_events(tensorboard::framed("") + tensorboard::framed("")).size() == 2);
}

TEST_CASE("events decode to what was written", "[tensorboard]") {
  const std::string file = tensorboard::file_version(1.5) + tensorboard::session_start(2.25, 301) + tensorboard::text(3, 300, "config", "    seed: 0\n    µ") +
                           tensorboard::scalars(4, 310, {{"train/loss", 0.1, "mean"}, {"memory", 3e10, ""}}) + tensorboard::scalars(5, int64_t{1} << 40, {{"train/loss", -1e-30, ""}});
  const auto events = test::decode_events(file);
  REQUIRE(events.size() == 5);
  CHECK(events[0].version == "brain.Event:2");
  CHECK(events[0].wall_time == 1.5);
  CHECK(events[1].session_start);
  CHECK(events[1].step == 301);
  REQUIRE(events[2].values.size() == 1);
  CHECK(events[2].step == 300);
  CHECK(events[2].values[0].tag == "config");
  CHECK(events[2].values[0].plugin == "text");
  CHECK(events[2].values[0].text == "    seed: 0\n    µ");
  REQUIRE(events[3].values.size() == 2);
  CHECK(events[3].step == 310);
  CHECK(events[3].values[0].tag == "train/loss");
  CHECK(events[3].values[0].number == 0.1f);
  CHECK(events[3].values[0].description == "mean");
  CHECK(events[3].values[0].plugin == "scalars");
  CHECK(events[3].values[1].number == 3e10f);
  CHECK(events[3].values[1].plugin.empty());
  CHECK(events[4].step == int64_t{1} << 40);
  CHECK(events[4].values[0].number == -1e-30f);
}

TEST_CASE("the decoder of these tests notices each damaged byte", "[tensorboard]") {
  const std::string file = tensorboard::scalars(4, 310, {{"train/loss", 0.1, "mean"}});
  for (size_t i = 0; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    INFO(i);
    CHECK_THROWS_AS(test::decode_events(damaged), std::runtime_error);
  }
  CHECK_THROWS_AS(test::decode_events(file.substr(0, file.size() - 1)), std::runtime_error);
}
