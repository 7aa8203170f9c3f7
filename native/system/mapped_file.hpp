#pragma once

#include <cstddef>
#include <string>

namespace tpe::system {

/// A whole file, mapped for reading (mmap(2), MAP_PRIVATE) until its scope ends. Pages that nobody reads are never
/// loaded. The file may be replaced or removed meanwhile, but not shortened: reading past its end is SIGBUS.
class MappedFile {
 public:
  /// @throws Failure; EINVAL for an empty file
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  char* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  char* data_;
  std::size_t size_;
};

}  // namespace tpe::system
