#include "data/volumes/volume_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "core/check.h"
#include "core/files.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

struct Header {
  char magic[16];
  char settings[16];  // digest, hexadecimal
  char digest[16];    // of the values
  int64_t slices, rows, columns;
  uint64_t hash;  // of all before it
};
static_assert(sizeof(Header) == 80 && std::is_trivially_copyable_v<Header>);
constexpr char kMagic[16] = "liere-volume 1\n";
constexpr const char* kRemedy = ". Remove it and run liere-data prepare again.";

uint64_t hash_of(const Header& header) { return XXH3_64bits(&header, offsetof(Header, hash)); }

std::string digest_of(const void* values, size_t bytes) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(XXH3_64bits(values, bytes)));
  return text;
}

[[noreturn]] void fail(const fs::path& file, const std::string& what) {
  throw DataError("the cached volume " + file.string() + " " + what + kRemedy);
}

/// Files whose values were compared with their digest in this process: later epochs do not read them twice.
class Verified {
 public:
  using Key = std::tuple<std::string, uint64_t, int64_t, int64_t, std::string>;
  static Key key(const fs::path& file, const struct stat& status, const std::string& digest) {
    return {file.string(), static_cast<uint64_t>(status.st_ino), static_cast<int64_t>(status.st_mtim.tv_sec),
            static_cast<int64_t>(status.st_mtim.tv_nsec), digest};
  }
  bool contains(const Key& key) {
    const std::lock_guard lock(mutex_);
    return keys_.contains(key);
  }
  void add(Key key) {
    const std::lock_guard lock(mutex_);
    keys_.insert(std::move(key));
  }

 private:
  std::mutex mutex_;
  std::set<Key> keys_;
};

Verified& verified() {
  static Verified files;
  return files;
}

}  // namespace

std::string VolumeCacheSettings::text() const {
  nlohmann::ordered_json settings = {
      {"format", "liere-volume 1"}, {"slices", slices}, {"rows", rows}, {"columns", columns}, {"spacing", iso ? "iso" : "grid"}};
  if (iso) settings["millimetres"] = millimetres;
  return settings.dump();
}

std::string write_cached_volume(const fs::path& file, const Frames& hu, const std::string& settings_digest) {
  const auto& shape = hu.shape();
  if (hu.type() != PixelType::kI16 || shape.channels != 1 || settings_digest.size() != sizeof(Header::settings))
    throw Error(ExitCode::kFailure,
                "a cached volume must be int16 [slices, rows, columns, 1], its settings' digest 16 digits: this is a defect, please report it.");
  const auto digest = digest_of(hu.i16(), hu.size_bytes());
  Header header = {};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  std::memcpy(header.settings, settings_digest.data(), sizeof header.settings);
  std::memcpy(header.digest, digest.data(), sizeof header.digest);
  header.slices = shape.frames;
  header.rows = shape.height;
  header.columns = shape.width;
  header.hash = hash_of(header);
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes.append(reinterpret_cast<const char*>(hu.i16()), hu.size_bytes());
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  write_file_atomically(file, bytes);
  return digest;
}

struct CachedVolume::State {
  void* bytes = MAP_FAILED;
  size_t size = 0;
  ~State() {
    if (bytes != MAP_FAILED) ::munmap(bytes, size);
  }
};

CachedVolume::CachedVolume(const fs::path& file, const FrameShape& shape, const std::string& settings_digest, const std::string& digest)
    : state_(std::make_unique<State>()) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(file, std::string("cannot be read: ") + std::strerror(errno));
  struct stat status = {};
  const bool known = ::fstat(descriptor, &status) == 0;
  const size_t expected = sizeof(Header) + static_cast<size_t>(shape.elements()) * sizeof(int16_t);
  if (known && static_cast<size_t>(status.st_size) == expected) {
    state_->size = expected;
    state_->bytes = ::mmap(nullptr, expected, PROT_READ, MAP_PRIVATE, descriptor, 0);
  }
  const int error = errno;
  ::close(descriptor);
  if (!known || (state_->size > 0 && state_->bytes == MAP_FAILED)) fail(file, std::string("cannot be read: ") + std::strerror(error));
  if (state_->size == 0) fail(file, "has " + std::to_string(status.st_size) + " bytes, expected " + std::to_string(expected));
  Header header;
  std::memcpy(&header, state_->bytes, sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.hash != hash_of(header))
    fail(file, "is damaged: its header is not one of a cached volume, or does not have its hash");
  if (std::string(header.settings, sizeof header.settings) != settings_digest) fail(file, "was made with other settings than the manifest's");
  if (header.slices != shape.frames || header.rows != shape.height || header.columns != shape.width)
    fail(file, "has another shape than the manifest's volumes");
  if (std::string(header.digest, sizeof header.digest) != digest) fail(file, "is not the one that the manifest names (another digest)");
  auto key = Verified::key(file, status, digest);
  if (verified().contains(key)) return;
  if (digest_of(values(), expected - sizeof(Header)) != digest) fail(file, "is damaged: its values do not have their digest");
  verified().add(std::move(key));
}

CachedVolume::~CachedVolume() = default;

const int16_t* CachedVolume::values() const { return reinterpret_cast<const int16_t*>(static_cast<const char*>(state_->bytes) + sizeof(Header)); }

}  // namespace liere
