import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NewEvent, Store, StoredExport, StoredImport } from '../../src/store/index.ts';
import { added, at, consul, istio, relationship, start } from '../../test/store/sample-bundles.ts';

const event = (kind: NewEvent['kind'], seconds = 0): NewEvent => ({
  at: at(seconds),
  kind,
  actor: 'operator:1000',
  message: 'as the test wished',
});

const exported: StoredExport = {
  service: 'info',
  consumer: istio,
  since: start,
  state: 'serving',
  actor: 'operator:1000',
};

const imported: StoredImport = {
  trustDomain: istio,
  service: 'info',
  name: 'info.istio.federated',
  namespaces: ['*'],
  since: start,
  state: 'serving',
  actor: 'operator:1000',
};

/** What every store must do with services; each implementation calls it with a way to open an empty one. */
export function describeServiceStoreContract(name: string, open: () => Promise<Store>): void {
  describe(`${name}, as every store of services`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
      await store.addRelationship(relationship(), undefined, added());
    });
    afterEach(async () => {
      await store.close();
    });
    const kinds = async () =>
      (await store.events()).map(({ kind }) => kind).filter((kind) => kind !== 'relationship-added');
    const links = async () => (await store.chainHead())?.number;

    it('keeps declared services, each change with its event, and writes nothing for equal content', async () => {
      const service = { id: 'info', document: '{"ports":[]}', declaredAt: start, actor: 'operator:1000' };
      expect(await store.putOwnService(service, event('service-declared'))).toBe(true);
      const before = await links();
      const again = { ...service, declaredAt: at(60) };
      expect(await store.putOwnService(again, event('service-declared', 60))).toBe(false);
      expect(await links()).toBe(before);
      expect(await store.ownServices()).toEqual([service]);
      expect(await store.removeOwnService('other', event('service-forgotten'))).toBe(false);
      expect(await store.removeOwnService('info', event('service-forgotten'))).toBe(true);
      expect(await store.ownServices()).toEqual([]);
      expect(await kinds()).toEqual(['service-forgotten', 'service-declared']);
    });

    it('keeps exports by service and consumer, and refuses one without a relationship', async () => {
      expect(await store.putServiceExport(exported, event('service-exported'))).toBe(true);
      expect(await store.putServiceExport({ ...exported, since: at(9) }, event('service-exported', 9))).toBe(
        false,
      );
      const unknown = store.putServiceExport({ ...exported, consumer: consul }, event('service-exported'));
      await expect(unknown).rejects.toMatchObject({ code: 'relationship-gone' });
      expect(await store.serviceExports()).toEqual([exported]);
      const draining: StoredExport = { ...exported, since: at(10), state: 'draining', drainUntil: at(40) };
      expect(await store.putServiceExport(draining, event('service-withdrawn', 10))).toBe(true);
      expect(await store.serviceExports()).toEqual([draining]);
      expect(await store.removeServiceExport('info', consul, event('service-withdrawn'))).toBe(false);
      expect(await store.removeServiceExport('info', istio, event('service-withdrawn', 40))).toBe(true);
      expect(await store.serviceExports()).toEqual([]);
      expect(await kinds()).toEqual(['service-withdrawn', 'service-withdrawn', 'service-exported']);
    });

    it('keeps access rules by service and ID', async () => {
      const rule = { service: 'info', ruleId: 'rule-1', document: '{}', since: start, actor: 'config' };
      expect(await store.putAccessRule(rule, event('access-allowed'))).toBe(true);
      expect(await store.putAccessRule(rule, event('access-allowed'))).toBe(false);
      const other = { ...rule, ruleId: 'rule-2' };
      expect(await store.putAccessRule(other, event('access-denied'))).toBe(true);
      expect(await store.accessRules()).toEqual([rule, other]);
      expect(await store.removeAccessRule('info', 'rule-1', event('access-revoked'))).toBe(true);
      expect(await store.removeAccessRule('info', 'rule-1', event('access-revoked'))).toBe(false);
      expect(await store.accessRules()).toEqual([other]);
    });

    it('keeps imports, each name once over all peers', async () => {
      await store.addRelationship(relationship(consul), undefined, added(consul));
      expect(await store.putServiceImport(imported, event('service-imported'))).toBe(true);
      expect(await store.putServiceImport(imported, event('service-imported'))).toBe(false);
      const taken = { ...imported, trustDomain: consul };
      await expect(store.putServiceImport(taken, event('service-imported'))).rejects.toMatchObject({
        code: 'import-name-taken',
      });
      const waiting: StoredImport = {
        ...imported,
        name: 'weather.internal',
        state: 'waiting',
        reason: { code: 'identity-change', message: 'other identities' },
        offer: '{"services":[]}',
      };
      expect(await store.putServiceImport(waiting)).toBe(true);
      expect(await store.serviceImports()).toEqual([waiting]);
      expect(await store.removeServiceImport(istio, 'info', event('service-dropped'))).toBe(true);
      expect(await store.serviceImports()).toEqual([]);
      expect(await kinds()).toEqual(['service-dropped', 'service-imported']);
    });

    it('ends exports, imports and the catalogue of a peer with its relationship, each with an event', async () => {
      await store.putServiceExport(exported, event('service-exported'));
      await store.putServiceImport(imported, event('service-imported'));
      const catalogue = {
        trustDomain: istio,
        sequence: 4,
        document: '{}',
        receivedAt: start,
        expiresAt: at(60),
      };
      await store.holdCatalogue(catalogue, 'accepted', event('catalogue-accepted'));
      await store.removeRelationship(istio, { at: at(5), actor: 'operator:1000', reason: 'over' });
      expect([
        await store.serviceExports(),
        await store.serviceImports(),
        await store.heldCatalogues(),
      ]).toEqual([[], [], []]);
      expect((await kinds()).slice(0, 3)).toEqual([
        'relationship-removed',
        'service-dropped',
        'service-withdrawn',
      ]);
      expect(await store.catalogueVersions(istio, 'received')).toHaveLength(1);
      const late = store.holdCatalogue(catalogue, 'accepted', event('catalogue-accepted'));
      await expect(late).rejects.toMatchObject({ code: 'relationship-gone' });
    });

    it('issues equal content under the same sequence, and other content under the next one', async () => {
      const issue = (document: string, seconds: number) =>
        store.issueCatalogue(
          { trustDomain: istio, document },
          at(seconds),
          event('catalogue-issued', seconds),
        );
      expect(await store.issuedCatalogue(istio)).toBeUndefined();
      // By the clock at first: who lost a store does not count from 1 again.
      const first = Math.floor(start.getTime() / 1000);
      expect(await issue('{"a":1}', 0)).toMatchObject({ sequence: first, number: 1, verdict: 'issued' });
      const before = await links();
      expect(await issue('{"a":1}', 9)).toMatchObject({ sequence: first, number: 1, at: start });
      expect(await links()).toBe(before);
      expect(await issue('{"a":2}', 10)).toMatchObject({ sequence: first + 1, document: '{"a":2}' });
      expect(await issue('{"a":1}', 11)).toMatchObject({ sequence: first + 2 });
      await store.removeRelationship(istio, { at: at(12), actor: 'operator:1000', reason: 'over' });
      await expect(issue('{"a":3}', 13)).rejects.toMatchObject({ code: 'relationship-gone' });
      await store.addRelationship(relationship(), undefined, added());
      expect(await issue('{"a":3}', 14)).toMatchObject({ sequence: first + 3 });
      const sequences = async (page?: { limit: number; before?: number }) =>
        (await store.catalogueVersions(istio, 'issued', page)).map(({ sequence }) => sequence);
      expect(await sequences()).toEqual([first + 3, first + 2, first + 1, first]);
      expect(await sequences({ limit: 2, before: 4 })).toEqual([first + 2, first + 1]);
    });

    it('holds the last good catalogue: equal content only makes it fresh, and a lower sequence is refused', async () => {
      const hold = (sequence: number, document: string, seconds: number) =>
        store.holdCatalogue(
          { trustDomain: istio, sequence, document, receivedAt: at(seconds), expiresAt: at(seconds + 100) },
          'accepted',
          event('catalogue-accepted', seconds),
        );
      expect(await hold(4, '{"a":1}', 0)).toBe(true);
      const before = await links();
      expect(await hold(5, '{"a":1}', 1)).toBe(false);
      expect(await links()).toBe(before);
      expect(await store.heldCatalogues()).toMatchObject([{ sequence: 5, expiresAt: at(101) }]);
      await expect(hold(4, '{"a":2}', 2)).rejects.toMatchObject({ code: 'sequence-rolled-back' });
      expect(await store.heldCatalogues()).toMatchObject([{ sequence: 5, document: '{"a":1}' }]);
      expect(await hold(6, '{"a":2}', 3)).toBe(true);
      expect(await kinds()).toEqual(['catalogue-accepted', 'catalogue-accepted']);
    });

    it('records what does not count once, without refused content, and not without end', async () => {
      const refused = (digest: string, seconds: number) =>
        store.recordCatalogueNotHeld({
          at: at(seconds),
          trustDomain: istio,
          verdict: 'refused',
          digest: digest.padStart(64, '0'),
          reason: { code: 'catalogue-duplicate', message: 'twice \u001b[31minfo' },
        });
      expect(await refused('1', 0)).toBe(true);
      expect(await refused('1', 1)).toBe(false);
      const waiting = { at: at(2), trustDomain: istio, sequence: 3, document: '{"b":1}' };
      const reason = { code: 'identity-change', message: 'other identities' };
      const quarantine = { ...waiting, verdict: 'quarantined', reason } as const;
      expect(await store.recordCatalogueNotHeld(quarantine)).toBe(true);
      expect(await store.recordCatalogueNotHeld(quarantine)).toBe(false);
      const [second, first] = await store.catalogueVersions(istio, 'received');
      expect(second).toMatchObject({ number: 2, verdict: 'quarantined', document: '{"b":1}', reason });
      expect(first).toMatchObject({ number: 1, verdict: 'refused', reason: { code: 'catalogue-duplicate' } });
      expect(first).not.toHaveProperty('document');
      expect(first?.reason?.message).not.toContain('\u001b');
      for (let each = 0; each < 100; each += 1) await refused(String(each + 2), each + 3);
      expect(await store.catalogueVersions(istio, 'received', { limit: 1000 })).toHaveLength(48);
      expect(await refused('a', 2 * 24 * 3600)).toBe(true);
    });

    it('chains every catalogue', async () => {
      await store.issueCatalogue({ trustDomain: istio, document: '{}' }, start, event('catalogue-issued'));
      const chained = (await store.chainLinks()).filter(({ table }) => table === 'catalogue_version');
      expect(chained.map(({ text }) => JSON.parse(text ?? ''))).toEqual([
        expect.objectContaining({ trust_domain: 'istio.example', direction: 'issued', number: 1 }),
      ]);
    });
  });
}
