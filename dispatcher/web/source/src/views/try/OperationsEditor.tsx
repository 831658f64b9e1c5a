// A chain of operations: added, put in order, given params; with mouse and keyboard alike.
import { ArrowDown, ArrowUp, GripVertical, Plus, Trash2 } from 'lucide';
import { useRef, useState } from 'preact/hooks';
import { focusRowAt } from '@/components/focusing';
import { Icon } from '@/components/Icon';
import { ParamFields } from '@/components/ParamFields';
import { RowButton } from '@/components/RowButton';
import { addOperation, composable, operations, stepTypes } from '@/views/try/choices';
import { draggedTo, moved, type Operation } from '@/views/try/order';

/** The chain of operations that every picture goes through. */
export function OperationsEditor() {
  const [dragged, setDragged] = useState<number | null>(null);
  const pointerY = useRef(0);
  const list = useRef<HTMLDivElement>(null);
  const chain = operations.value;
  return (
    <div class="stack" ref={list}>
      {chain.length === 0 ? (
        <p class="muted">No operation yet. They run in the order shown here.</p>
      ) : null}
      <ol class="try-chain" aria-label="Operations in order">
        {chain.map((operation, index) => (
          <li
            key={operation.id}
            class={dragged === index ? 'try-operation is-dragged' : 'try-operation'}
            onDragStart={(event) => {
              pointerY.current = event.clientY;
            }}
            onDragOver={(event) => {
              if (dragged === null) return; // a file, not an operation
              event.preventDefault();
              event.stopPropagation();
              const to = draggedTo(dragged, index, event.clientY - pointerY.current);
              pointerY.current = event.clientY;
              operations.value = moved(chain, dragged, to);
              setDragged(to);
            }}
          >
            <OperationRow
              operation={operation}
              index={index}
              onDrag={(isOn) => setDragged(isOn ? index : null)}
              onRemove={() => {
                remove(operation);
                focusRowAt(list.current, index);
              }}
            />
          </li>
        ))}
      </ol>
      <div class="row" role="group" aria-label="Add an operation">
        {composable.value.map(({ type }) => (
          <button key={type} class="button button-small" onClick={() => addOperation(type)}>
            <Icon of={Plus} size={14} />
            {type}
          </button>
        ))}
      </div>
    </div>
  );
}

interface OperationRowProps {
  readonly operation: Operation;
  readonly index: number;
  readonly onDrag: (isOn: boolean) => void;
  readonly onRemove: () => void;
}

function OperationRow({ operation, index, onDrag, onRemove }: OperationRowProps) {
  const chain = operations.value;
  const known = stepTypes.value.find(({ type }) => type === operation.type);
  const { type } = operation;
  return (
    <>
      <div class="try-operation-head">
        <span
          class="try-grip"
          draggable
          aria-hidden="true"
          onDragStart={(event) => {
            event.dataTransfer?.setData('text/plain', type); // Firefox drags nothing without data
            onDrag(true);
          }}
          onDragEnd={() => onDrag(false)}
        >
          <Icon of={GripVertical} size={16} />
        </span>
        <strong class="try-operation-name">
          {index + 1}. {type}
        </strong>
        <RowButton
          icon={ArrowUp}
          label={`Move ${type} up`}
          isOff={index === 0}
          onClick={() => move(index, index - 1)}
        />
        <RowButton
          icon={ArrowDown}
          label={`Move ${type} down`}
          isOff={index === chain.length - 1}
          onClick={() => move(index, index + 1)}
        />
        <RowButton icon={Trash2} label={`Remove ${type}`} onClick={onRemove} />
      </div>
      {known === undefined ? null : (
        <ParamFields
          schema={known.request_params}
          values={operation.params}
          skip={[...known.fixed, 'output']}
          onChange={(params) => {
            operations.value = operations.value.map((each) =>
              each.id === operation.id ? { ...each, params } : each,
            );
          }}
        />
      )}
    </>
  );
}

function move(from: number, to: number): void {
  operations.value = moved(operations.value, from, to);
}

function remove(operation: Operation): void {
  operations.value = operations.value.filter((each) => each !== operation);
}
