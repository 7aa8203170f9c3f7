#include "mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "descriptor.hpp"
#include "system.hpp"

namespace tpe::system {

MappedFile::MappedFile(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw Failure("open", errno);
  struct stat facts {};
  if (fstat(file.get(), &facts) != 0) throw Failure("fstat", errno);
  size_ = static_cast<std::size_t>(facts.st_size);
  void* const start = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (start == MAP_FAILED) throw Failure("mmap", errno);
  data_ = static_cast<char*>(start);
}

MappedFile::~MappedFile() { munmap(data_, size_); }

}  // namespace tpe::system
