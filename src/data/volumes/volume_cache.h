// The cache of prepared CT volumes: one file of int16 Hounsfield units per volume, its header with version, settings and an XXH3 of the values;
// written beside and renamed, read by mapping the file. docs/data.md has the layout byte by byte, docs/numerics.md the rule of resampling.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "data/volumes/ct_volume.h"
#include "data/volumes/manifest.h"

namespace liere {

/// How a series becomes a cached volume. grid: resampled to the shape whatever it shows; iso: to `millimetres` per voxel on all axes, then cropped or
/// padded (air) around the centre to the shape.
struct VolumeCacheSettings {
  int64_t slices = 32, rows = 224, columns = 224;
  bool iso = false;
  double millimetres = 1;
  std::string text() const;  // one line of JSON: VolumeManifest::settings
};

/// Rows and columns: the exact mean over the area that an output covers where it shrinks, linear between pixel centres where it grows. Then linear
/// between the centres of slices, whole extent onto whole extent, the outermost slices continued. In float, rounded once, half to even. i16 [slices,
/// rows, columns, 1]; spacing_mm receives the new spacing. Throws DataError when the volume is empty, or iso and a spacing is not positive.
Frames resample_volume(const CtVolume& volume, const VolumeCacheSettings& settings, std::array<double, 3>& spacing_mm);

/// Temp file, fsync, rename. Returns the digest of the values (16 hexadecimal digits).
std::string write_cached_volume(const std::filesystem::path& file, const Frames& hu, const std::string& settings_digest);

/// A mapped file. Throws DataError naming it: not there, another version or settings, another size, another digest (compared on the first reading in
/// a process).
class CachedVolume {
 public:
  CachedVolume(const std::filesystem::path& file, const FrameShape& shape, const std::string& settings_digest, const std::string& digest);
  ~CachedVolume();
  const int16_t* values() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace liere
