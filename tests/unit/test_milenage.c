/* Milenage against the test sets of TS 35.208 4.3 (numbers 1, 3, 4, 19). */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "sip/milenage.h"

static const struct set {
	const char *k, *rand, *sqn, *amf, *op, *opc;
	const char *f1, *f1s, *f2, *f3, *f4, *f5, *f5s;
} sets[] = {
	{
         .k = "465b5ce8b199b49faa5f0a2ee238a6bc",
         .rand = "23553cbe9637a89d218ae64dae47bf35",
         .sqn = "ff9bb4d0b607",
         .amf = "b9b9",
         .op = "cdc202d5123e20f62b6d676ac72cb318",
         .opc = "cd63cb71954a9f4e48a5994e37a02baf",
         .f1 = "4a9ffac354dfafb3",
         .f1s = "01cfaf9ec4e871e9",
         .f2 = "a54211d5e3ba50bf",
         .f3 = "b40ba9a3c58b2a05bbf0d987b21bf8cb",
         .f4 = "f769bcd751044604127672711c6d3441",
         .f5 = "aa689c648370",
         .f5s = "451e8beca43b",
	 },
	{
         .k = "0396eb317b6d1c36f19c1c84cd6ffd16",
         .rand = "c00d603103dcee52c4478119494202e8",
         .sqn = "fd8eef40df7d",
         .amf = "af17",
         .op = "ff53bade17df5d4e793073ce9d7579fa",
         .opc = "53c15671c60a4b731c55b4a441c0bde2",
         .f1 = "5df5b31807e258b0",
         .f1s = "a8c016e51ef4a343",
         .f2 = "d3a628ed988620f0",
         .f3 = "58c433ff7a7082acd424220f2b67c556",
         .f4 = "21a8c1f929702adb3e738488b9f5c5da",
         .f5 = "c47783995f72",
         .f5s = "30f1197061c1",
	 },
	{
         .k = "fec86ba6eb707ed08905757b1bb44b8f",
         .rand = "9f7c8d021accf4db213ccff0c7f71a6a",
         .sqn = "9d0277595ffc",
         .amf = "725c",
         .op = "dbc59adcb6f9a0ef735477b7fadf8374",
         .opc = "1006020f0a478bf6b699f15c062e42b3",
         .f1 = "9cabc3e99baf7281",
         .f1s = "95814ba2b3044324",
         .f2 = "8011c48c0c214ed2",
         .f3 = "5dbdbb2954e8f3cde665b046179a5098",
         .f4 = "59a92d3b476a0443487055cf88b2307b",
         .f5 = "33484dc2136b",
         .f5s = "deacdd848cc6",
	 },
	{
         .k = "5122250214c33e723a5dd523fc145fc0",
         .rand = "81e92b6c0ee0e12ebceba8d92a99dfa5",
         .sqn = "16f3b3f70fc2",
         .amf = "c3ab",
         .op = "c9e8763286b5b9ffbdf56e1297d0887b",
         .opc = "981d464c7c52eb6e5036234984ad0bcf",
         .f1 = "2a5c23d15ee351d5",
         .f1s = "62dae3853f3af9d2",
         .f2 = "28d7b0f2a2ec3de5",
         .f3 = "5349fbe098649f948f5d2e973a81c00f",
         .f4 = "9744871ad32bf9bbd1dd5ce54e3e2e5a",
         .f5 = "ada15aeb7bb8",
         .f5s = "d461bc15475d",
	 },
};

static void unhex(uint8_t *out, const char *hex)
{
	unsigned byte;

	for (; *hex; hex += 2) {
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		*out++ = (uint8_t)byte;
	}
}

static void is(const uint8_t *got, const char *want)
{
	uint8_t bytes[16];

	unhex(bytes, want);
	assert_memory_equal(got, bytes, strlen(want) / 2);
}

static void all_functions_are_those_of_the_test_sets(void **state)
{
	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(sets); i++) {
		const struct set *t = &sets[i];
		uint8_t k[16], rand[16], sqn[6], amf[2], op[16], opc[16];
		struct gw_milenage m;

		unhex(k, t->k);
		unhex(rand, t->rand);
		unhex(sqn, t->sqn);
		unhex(amf, t->amf);
		unhex(op, t->op);
		assert_int_equal(gw_milenage_opc(opc, k, op), 0);
		is(opc, t->opc);
		assert_int_equal(gw_milenage(&m, k, opc, rand, sqn, amf), 0);
		is(m.mac_a, t->f1);
		is(m.mac_s, t->f1s);
		is(m.res, t->f2);
		is(m.ck, t->f3);
		is(m.ik, t->f4);
		is(m.ak, t->f5);
		is(m.ak_resync, t->f5s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_functions_are_those_of_the_test_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
