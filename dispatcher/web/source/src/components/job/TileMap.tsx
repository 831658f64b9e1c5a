// A picture that several replicas computed: which rows were whose.
import { useState } from 'preact/hooks';
import type { StepRun, TileRun } from '@/api/types';
import { shortReplica } from '@/components/job/stage_times';
import { formatSeconds } from '@/figures';

interface TileMapProps {
  /** A step with tiles. */
  readonly step: StepRun;
  /** The picture that it made, or the one that was sent; null for the table alone. */
  readonly url: string | null;
  readonly alt: string;
}

/** The tiles of a step drawn on its picture, and the same as a table. */
export function TileMap({ step, url, alt }: TileMapProps) {
  const [isUnreadable, setIsUnreadable] = useState(false);
  const tiles = step.tiles ?? [];
  const rows = tiles.reduce((sum, tile) => sum + tile.rows, 0);
  if (rows === 0) return null;
  const owners = ownersOf(tiles);
  const colour = (tile: TileRun): number => (owners.indexOf(ownerOf(tile)) % 6) + 1;
  return (
    <div class="tile-map">
      {url === null || isUnreadable ? null : (
        <div class="tile-frame">
          <img
            src={url}
            alt={`${alt}, cut into ${tiles.length} tiles`}
            onError={() => setIsUnreadable(true)} // the service reads more formats than browsers do
          />
          <Bands tiles={tiles} colour={colour} />
        </div>
      )}
      <div class="scroll-x" tabIndex={0} role="region" aria-label={`Tiles of ${step.type}`}>
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Tile</th>
              <th scope="col">Computed by</th>
              <th scope="col" class="number">
                Rows
              </th>
              <th scope="col" class="number">
                Time
              </th>
            </tr>
          </thead>
          <tbody>
            {tiles.map((tile) => (
              <tr key={tile.tile}>
                <td>
                  <span class={`tile-key tile-colour-${colour(tile)}`} aria-hidden="true" />
                  {tile.tile + 1}
                </td>
                <td class="mono">
                  {ownerOf(tile)}
                  {tile.attempts > 1 ? ` (attempt ${tile.attempts})` : ''}
                </td>
                <td class="number">{tile.rows}</td>
                <td class="number">{formatSeconds(tile.time)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

interface BandsProps {
  readonly tiles: readonly TileRun[];
  readonly colour: (tile: TileRun) => number;
}

/** Each tile as high as its part of the rows; the table has the words, too. */
function Bands({ tiles, colour }: BandsProps) {
  return (
    <div class="tile-bands" aria-hidden="true">
      {tiles.map((tile) => (
        <div
          key={tile.tile}
          class={`tile-band tile-colour-${colour(tile)}`}
          style={{ flexGrow: tile.rows, flexBasis: 0 }}
        >
          <span>
            {tile.tile + 1} · {ownerOf(tile)}
          </span>
        </div>
      ))}
    </div>
  );
}

function ownerOf(tile: TileRun): string {
  const replica = shortReplica(tile.replica);
  return tile.dispatcher === undefined ? replica : `${tile.dispatcher}: ${replica}`;
}

function ownersOf(tiles: readonly TileRun[]): string[] {
  return [...new Set(tiles.map(ownerOf))];
}
