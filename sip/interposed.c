#include "sip/interposed.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/tport.h>

#include "gateway/base/check.h"

#define SOFIA "libsofia-sip-ua.so"

#if __SIZEOF_POINTER__ == 8
#define SYMBOL_OF(info) ELF64_R_SYM(info)
#else
#define SYMBOL_OF(info) ELF32_R_SYM(info)
#endif

/* Of the dynamic section of a library. */
struct library {
	const ElfW(Sym) * symbols;
	const char *names;
	/* Relocations of calls, and the others: a library that is built with
	 * -fno-plt has its calls among them. */
	struct {
		uintptr_t at;
		size_t size;
	} part[3];
	size_t entry[3]; /* of one in each part */
};

struct search {
	const char *library, *name;
	bool found;
};

static struct library read_dynamic(const ElfW(Dyn) * d, uintptr_t base)
{
	struct library lib = { .names = NULL };
	bool with_addend = true;

	for (; d->d_tag != DT_NULL; d++) {
		/* glibc has added the base, musl has not. */
		uintptr_t at = d->d_un.d_ptr;

		if (at < base)
			at += base;
		switch (d->d_tag) {
		case DT_SYMTAB:
			lib.symbols = (const ElfW(Sym) *)at;
			break;
		case DT_STRTAB:
			lib.names = (const char *)at;
			break;
		case DT_PLTREL:
			with_addend = d->d_un.d_val == DT_RELA;
			break;
		case DT_JMPREL:
			lib.part[0].at = at;
			break;
		case DT_PLTRELSZ:
			lib.part[0].size = d->d_un.d_val;
			break;
		case DT_RELA:
			lib.part[1].at = at;
			break;
		case DT_RELASZ:
			lib.part[1].size = d->d_un.d_val;
			break;
		case DT_REL:
			lib.part[2].at = at;
			break;
		case DT_RELSZ:
			lib.part[2].size = d->d_un.d_val;
			break;
		default:
			break;
		}
	}
	lib.entry[0] = with_addend ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel));
	lib.entry[1] = sizeof(ElfW(Rela));
	lib.entry[2] = sizeof(ElfW(Rel));
	return lib;
}

static bool refers_to(const struct library *lib, const char *name)
{
	if (!lib->symbols || !lib->names)
		return false;
	for (size_t i = 0; i < GW_ARRAY_LEN(lib->part); i++) {
		uintptr_t end = lib->part[i].at + lib->part[i].size;

		if (!lib->part[i].at)
			continue;
		for (uintptr_t p = lib->part[i].at; p + lib->entry[i] <= end;
		     p += lib->entry[i]) {
			/* Both kinds begin alike. */
			const ElfW(Rel) *r = (const ElfW(Rel) *)p;
			size_t symbol = SYMBOL_OF(r->r_info);

			if (symbol &&
			    !strcmp(name,
				    lib->names + lib->symbols[symbol].st_name))
				return true;
		}
	}
	return false;
}

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *s = arg;
	const char *file = strrchr(info->dlpi_name, '/');
	struct library lib;

	(void)size;
	file = file ? file + 1 : info->dlpi_name;
	if (strncmp(file, s->library, strlen(s->library)) != 0)
		return 0;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];

		if (h->p_type != PT_DYNAMIC)
			continue;
		lib = read_dynamic(
			(const ElfW(Dyn) *)(info->dlpi_addr + h->p_vaddr),
			info->dlpi_addr);
		s->found = refers_to(&lib, s->name);
	}
	return 1;
}

bool gw_interposed_may(const char *library, const char *name)
{
	struct search s = { library, name, false };

	(void)dl_iterate_phdr(look, &s);
	return s.found;
}

const char *gw_interposed_not(void)
{
	const struct {
		const char *name;
		uintptr_t ours;
	} all[] = {
		{"nta_msg_ackbye", (uintptr_t)nta_msg_ackbye},
		{ "tport_stall",   (uintptr_t)tport_stall   },
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(all); i++)
		if ((uintptr_t)dlsym(RTLD_DEFAULT, all[i].name) !=
			    all[i].ours ||
		    !gw_interposed_may(SOFIA, all[i].name))
			return all[i].name;
	return NULL;
}
