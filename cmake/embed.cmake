# Data files of the tree as C++ text: goniec_embed(TARGET NAME PATTERN) gives TARGET the array
# goniec::NAME of {name, text}, in order of their names, and goniec::NAME_count.
function(goniec_embed target name pattern)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${pattern})
  list(SORT files)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})
  string(CONCAT source "// Written by cmake/embed.cmake from ${pattern}.\n#include <cstddef>\n#include <string_view>\n"
    "namespace goniec {\nstruct BuiltInFile {\n  std::string_view name, text;\n};\n"
    "extern const BuiltInFile ${name}[];\nextern const std::size_t ${name}_count;\n"
    "const BuiltInFile ${name}[] = {\n")
  list(LENGTH files count)
  foreach(file ${files})
    get_filename_component(short ${file} NAME)
    file(READ ${file} text)
    string(APPEND source "{\"${short}\", R\"goniec(${text})goniec\"},\n")
  endforeach()
  string(APPEND source "};\nconst std::size_t ${name}_count = ${count};\n}  // namespace goniec\n")
  set(path ${CMAKE_BINARY_DIR}/${name}.cc)
  set(old "")
  if(EXISTS ${path})
    file(READ ${path} old)
  endif()
  if(NOT "${old}" STREQUAL "${source}")
    file(WRITE ${path} "${source}")
  endif()
  target_sources(${target} PRIVATE ${path})
endfunction()
